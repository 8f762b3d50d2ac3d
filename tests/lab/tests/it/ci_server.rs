//! The real CI servers answer as the plugins' triggers rely on, also where their answers are odd.

mod drone;
mod woodpecker;
