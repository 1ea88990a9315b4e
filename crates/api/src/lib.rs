//! The resources of skupper.io/v2alpha1: types, conditions, status algebra. No I/O.
