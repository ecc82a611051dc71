"""The exact harness: gradients and moments of estimators, by enumeration, quadrature or repeated draws."""
