"""What the operator costs, beside a client that only writes, and beside others."""
