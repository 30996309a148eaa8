"""Builder of the embedded sample in the form of MM-IMDB: clip art with human titles and tags."""
