"""What a suspect is shown with: pictures before and after, each hashed."""
