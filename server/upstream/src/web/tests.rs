mod account;
mod calls;
mod faults;
mod prompts;
mod stage;
mod stops;
mod tools;
mod translation;
