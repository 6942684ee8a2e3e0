"""What image generators write into their image files, one program per file."""
