"""What makes passes of a Keras model faster; each module can be left out."""
