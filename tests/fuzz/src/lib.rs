//! Random and half-broken input for everything that reads what others wrote.
