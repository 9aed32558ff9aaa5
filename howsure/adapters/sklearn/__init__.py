"""The adapter of classifiers and regressors of scikit-learn, and of what predicts like them."""
