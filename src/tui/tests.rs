//! The screen as it is drawn and as it is driven.
