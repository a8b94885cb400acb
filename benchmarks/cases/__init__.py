"""One file per case; every module here is imported, and what it decorates is run."""
