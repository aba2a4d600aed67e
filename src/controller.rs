//! The controllers, a file each: what keeps the observed state near the desired one.
