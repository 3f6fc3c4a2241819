"""The joint fit of the parameters' centres to published results. Imports ``evidence``, ``simulation`` and below.

``simulated_targets`` simulates every target at points of the parameters, ``target_emulator`` screens the parameters and
fits a surface to a target, ``joint_posterior`` samples the centres given the targets, ``fit_checks`` proves the
calibrator and leaves studies out, ``run_fit`` is the command. docs/calibration.md has the result.
"""
