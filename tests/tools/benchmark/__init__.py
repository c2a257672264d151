"""`make bench`: the service beside its limits and a peer of the usual make, in one run."""
