"""One engine for weight programs: cones, by way of Clarabel."""
