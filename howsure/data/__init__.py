"""From files and arrays to checked rows and labels."""
