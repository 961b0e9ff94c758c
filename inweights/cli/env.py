"""`inweights env`: versions and hardware, for a bug report."""


def env() -> None:
    """Print versions and hardware."""
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from inweights import __version__

    print(f"inweights {__version__}")
    print(f"python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
    for library in ("torch", "transformers", "peft", "safetensors", "datasets", "pyarrow"):
        try:
            print(f"{library} {version(library)}")
        except PackageNotFoundError:
            print(f"{library} not installed")
    import torch

    for index in range(torch.cuda.device_count()):
        print(f"gpu {index}: {torch.cuda.get_device_name(index)}")
