"""Makes a bare Debian or Ubuntu host ready for deploys: look, plan, ask, carry out, look again."""
