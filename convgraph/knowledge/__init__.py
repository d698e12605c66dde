"""Knowledge: documents that can be searched, and facts that outlive a run."""
