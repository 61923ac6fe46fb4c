# SPDX-License-Identifier: ISC
"""A throw-away Slurm on this machine: a controller and some nodes, every port
on loopback, no munge, no database, no cgroups.

    with Cluster(path) as cluster:
        job = cluster.submit("job.sh", "--time=1")
        cluster.wait(job)
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

NODES, CPUS = 4, 4
SBIN = "/usr/sbin:" + os.environ["PATH"]
CONF = """
ClusterName=throwaway
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
ReturnToService=2
SlurmdParameters=config_overrides
SlurmctldPort={ports[0]}
SlurmctldPidFile={place}/run/slurmctld.pid
SlurmdPidFile={place}/run/slurmd.%n.pid
SlurmdSpoolDir={place}/spool/%n
StateSaveLocation={place}/state
SlurmctldLogFile={place}/log/slurmctld.log
SlurmdLogFile={place}/log/slurmd.%n.log
KillWait=5
SlurmctldTimeout=10
SlurmdTimeout=10
{names}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
DONE = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}


def why_not():
    """Why there can be no cluster here; None if there can."""
    for name in ("slurmctld", "slurmd", "sbatch", "srun", "scontrol"):
        if not shutil.which(name, path=SBIN):
            return f"no {name} (package slurm-wlm)"
    return None


def free_ports(count):
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


class Cluster:
    def __init__(self, place, work, env):
        """work: where jobs run; env: what they see."""
        self.place, self.work = pathlib.Path(place), work
        self.conf = self.place / "slurm.conf"
        self.pending = {}  # since when a job is queued again
        self.env = {**env, "PATH": SBIN, "SLURM_CONF": str(self.conf)}

    def __enter__(self):
        for name in ("state", "log", "run", *(f"spool/n{n}"
                                              for n in range(NODES))):
            (self.place / name).mkdir(parents=True)
        user = self.say("id", "-un").strip()
        ports = free_ports(NODES + 1)
        names = "\n".join(
            f"NodeName=n{n} NodeHostname=localhost NodeAddr=127.0.0.1 "
            f"Port={ports[n + 1]} CPUs={CPUS} State=UNKNOWN"
            for n in range(NODES))
        self.conf.write_text(CONF.format(user=user, place=self.place,
                                         ports=ports, names=names))
        self.say("slurmctld", "-c", "-f", self.conf)
        for number in range(NODES):
            self.start_node(number)
        self.until(lambda: self.say("sinfo", "-h", "-t", "idle", "-o",
                                    "%D").strip() == str(NODES), "idle nodes")
        return self

    def __exit__(self, *_):
        subprocess.run(["scancel", "-u", str(os.getuid())], env=self.env,
                       check=False, capture_output=True)
        for path in (self.place / "run").iterdir():
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(path.read_text()), signal.SIGKILL)

    def say(self, *words, stdin="", env=None):
        done = subprocess.run([*map(str, words)], env=env or self.env,
                              cwd=self.work, input=stdin, text=True, capture_output=True,
                              check=False, timeout=60)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def until(self, true, what, seconds=60):
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"waited for {what}\n" + \
                (self.place / "log/slurmctld.log").read_text()[-3000:]
            time.sleep(0.1)

    def start_node(self, number):
        # It is no child of a test's: nothing of a test's is in it.
        self.say("slurmd", "-f", self.conf, "-N", f"n{number}",
                 env={"PATH": SBIN})

    def kill_node(self, which):
        """As if its power failed: the daemon, and every process of its
        jobs."""
        found = self.jobs_on(which) + [
            int((self.place / f"run/slurmd.n{which}.pid").read_text())]
        # Nobody may live long enough to tell of another's death.
        for number in signal.SIGSTOP, signal.SIGKILL:
            for pid in found:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)

    @staticmethod
    def processes():
        """(pid, its environment, its command line) of all here."""
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                yield int(path.name), (path / "environ").read_bytes(), \
                    (path / "cmdline").read_bytes()

    def jobs_on(self, number):
        """The processes of a node's jobs: each slurmstepd, whose title has the
        job, and all below it."""
        jobs = {facts["JobId"] for line in self.say(
                    "scontrol", "-o", "show", "job").splitlines()
                for facts in [dict(re.findall(r"(\S+?)=(\S*)", line))]
                if facts.get("NodeList") == f"n{number}"
                and facts["JobState"] == "RUNNING"}
        parents, family = {}, set()
        for pid, _, line in self.processes():
            with contextlib.suppress(OSError):
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
                parents[pid] = int(stat.rsplit(") ", 1)[1].split()[1])
            found = re.match(rb"slurmstepd: \[(\d+)\.", line)
            if found and found[1].decode() in jobs:
                family.add(pid)
        grown = True
        while grown:
            below = {pid for pid, parent in parents.items()
                     if parent in family} - family
            family |= below
            grown = bool(below)
        return list(family)

    def workers(self):
        """The workers of all jobs, by their titles: what those write over
        /proc shows in place of the environment."""
        return [pid for pid, _, line in self.processes()
                if b"llmill: worker" in line]

    def coordinator(self):
        """The parent of the workers."""
        with open(f"/proc/{self.workers()[0]}/stat", encoding="ascii") as file:
            return int(file.read().rsplit(") ", 1)[1].split()[1])

    def submit(self, script, *options):
        """Gives the job's number."""
        return int(self.say("sbatch", "--parsable", *options, script)
                   .split(";")[0])

    def facts(self, job):
        """Of each of its tasks: {KEY: value}."""
        said = self.say("scontrol", "-o", "show", "job", job)
        return [dict(re.findall(r"(\S+?)=(\S*)", line))
                for line in said.splitlines() if line]

    def states(self, job):
        return {facts.get("ArrayTaskId", "0"): facts["JobState"]
                for facts in self.facts(job)}

    def release(self, job):
        """A job that was queued again is held for two minutes. Not at once:
        within the same second its node still refuses it."""
        for facts in self.facts(job):
            one = facts["JobId"]
            if facts["JobState"] != "PENDING" or facts["Restarts"] == "0":
                self.pending.pop(one, None)
            elif time.monotonic() - self.pending.setdefault(
                    one, time.monotonic()) > 2:
                subprocess.run(
                    ["scontrol", "update", f"JobId={one}", "StartTime=now"],
                    env=self.env, check=False, capture_output=True)

    def wait(self, job, seconds=120):
        """Until all its tasks are through. Gives their states."""
        since = [time.monotonic()]

        def through():
            self.release(job)
            if not all(state in DONE for state in self.states(job).values()):
                since[0] = time.monotonic()
            # On its way back into the queue a job looks like failed.
            return time.monotonic() - since[0] > 2

        self.until(through, f"job {job}", seconds)
        return self.states(job)
