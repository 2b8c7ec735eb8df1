"""Many targets over many processes: each alone in what it breaks, none done twice."""
