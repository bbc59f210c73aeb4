"""A Lambda laboratory without Docker and without AWS: real parts where they exist.

* `tests.lab.prepare`: fetches AWS's Runtime Interface Emulator (RIE) and runtime client once,
  into ``.lab/`` (git-ignored); finds the interpreters; builds a task folder from the sources.
* `tests.lab.rie.Rie`: the real emulator, for init, errors, limits, and what a handler answers.
* `tests.lab.minirapid.Minirapid`: our stand-in for what the emulator gets wrong: the answer
  that leaves early, the freeze between invocations, the shutdown, SnapStart's hooks.

In a test::

    from tests.lab.prepare import PYTHON_VERSIONS, lab_or_skip

    @pytest.mark.parametrize("version", PYTHON_VERSIONS)
    def test_something(version, tmp_path):
        lab = lab_or_skip(version)                       # skips with a plain reason
        task = lab.make_task(tmp_path / "task")          # src/bucketer, app.py, mmh3
        with Rie(lab, task, "app.lambda_handler", environment={"BUCKETER_EVENTS": "off"}) as rie:
            answer = rie.invoke({"version": "2.0", ...}) # the handler's answer, parsed
        with Minirapid(lab, task, "app.lambda_handler") as aws:
            answer = aws.invoke(event)                   # returns as soon as the handler answered
            aws.wait_until_done()                        # extensions done, environment frozen
            aws.shut_down()                              # SIGTERM as AWS does it

By hand: ``python -m tests.lab.prepare`` fetches everything and says what it found.
"""
