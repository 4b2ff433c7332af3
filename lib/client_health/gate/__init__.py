"""What has to hold before anything is published, and the counts behind it."""
