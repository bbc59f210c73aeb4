"""A file of several environments, each with a datafile of its own."""

import json


def environments_file(folder, datafiles, **more):
    """Write ``bucketer.toml`` into *folder*, with the datafiles beside it; return its path.

    Args:
        folder: is there already.
        datafiles: by the names of the environments, parsed.
        more: lines that each of them has, whose texts may name it as ``{name}``.
    """
    lines = []
    for name, datafile in datafiles.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(datafile))
        values = {key: text.format(name=name) for key, text in more.items()}
        lines.append(f"[environments.{name}]")
        lines += [f"{key} = {json.dumps(text)}" for key, text in values.items()]
        lines.append(f"datafile = {json.dumps(str(path))}")
    config = folder / "bucketer.toml"
    config.write_text("\n".join(lines) + "\n")
    return config
