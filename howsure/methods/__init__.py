"""Methods: procedures that produce passes, such as MC dropout and ensembles."""
