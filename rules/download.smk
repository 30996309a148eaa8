# Raw files that config allows to fetch (data.<task>.download) and that are not there yet.
# Needs: config/datasets.yaml (addresses, sizes, checksums), the network.
# Makes: data.<task>.raw_dir/<file>, write-protected. A file that is there has no rule: it is never
#        fetched again, and needs no network to be used.
