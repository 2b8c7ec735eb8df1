"""What earlier scans found, remembered by content: a second look at an unchanged file is a look at its status."""
