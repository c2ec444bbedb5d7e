"""Real case servers that nobody here wrote, on loopback, and a proxy that injects faults before them."""
