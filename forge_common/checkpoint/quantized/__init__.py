"""Checkpoints in SafeTensors whose weights are integers or bytes with scales beside them."""
