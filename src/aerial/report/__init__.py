"""Reports of suspects: GeoJSON for programs, a page that opens from disk for people."""
