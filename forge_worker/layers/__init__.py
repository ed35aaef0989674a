"""The parts models are composed of; each takes its operations as `ops`."""
