"""Every path of a town's folder, in one place."""
