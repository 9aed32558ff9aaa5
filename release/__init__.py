"""What goes out: pages that the site takes from elsewhere, pictures of the report, checks of the wheel."""
