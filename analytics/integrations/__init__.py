"""What frameworks call by themselves, and clients that log their calls: each a few lines over the tracker."""
