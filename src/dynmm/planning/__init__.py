"""What a run would cost before it starts: jobs, hours, disk and download."""
