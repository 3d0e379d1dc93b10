"""Nodes as jobs of Slurm: a Dask scheduler here, and one node in each job, for as long as this runs.

    python cluster.py --jobs 4 --credentials ~/site/login.pem --queue short --walltime 04:00:00
    pulseq run suite.yaml --scheduler tls://LOGIN_HOST:PORT --credentials ~/site/login.pem

Needs dask-jobqueue (`pip install dask-jobqueue`) beside PulseQ, and a directory that this host and the jobs share for
the credentials and for PulseQ's environment. Other systems are other classes of dask-jobqueue, with the same arguments.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dask_jobqueue import SLURMCluster
from distributed.security import Security


def read_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--credentials", type=Path, required=True, help="what `pulseq certs node` wrote, on a shared disk")
    add("--jobs", type=int, default=1, help="so many nodes")
    add("--slots", type=int, default=1, help="tests that a node runs at a time; its job gets as many cores")
    add("--memory", default="4GB", help="of each job")
    add("--walltime", default="01:00:00", help="of each job; what runs then starts again on another node")
    add("--queue", help="Slurm's partition")
    add("--account", help="Slurm's account")
    add("--label", action="append", default=[], metavar="NAME=VALUE", help="what the nodes offer; again for more")
    add("--python", help="interpreter of the jobs that has PulseQ; by default this one")
    add("--directive", action="append", default=[], metavar="TEXT", help="another #SBATCH, as --gres=gpu:1")
    add("--host", help="address of this host that the jobs reach; by default one that is found")
    add("--port", type=int, default=0, help="of the scheduler; by default any that is free")
    add("--print-job", action="store_true", help="print the job and start nothing")
    return parser.parse_args(words)


def make_cluster(arguments: argparse.Namespace) -> SLURMCluster:
    """The cluster, with no job yet."""
    credentials = str(arguments.credentials.expanduser().resolve(strict=True))
    roles = ("client", "scheduler", "worker")
    files = {f"tls_{role}_{part}": credentials for role in roles for part in ("cert", "key")}
    scheduler: dict[str, Any] = {"host": arguments.host, "port": arguments.port}
    scheduler |= {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    preload = ["--preload", "pulseq.node.preload", "--slots", str(arguments.slots)]
    for label in arguments.label:
        preload += ["--label", label]
    return SLURMCluster(
        queue=arguments.queue,
        account=arguments.account,
        cores=arguments.slots,
        processes=1,  # a node is a process of its own
        memory=arguments.memory,
        walltime=arguments.walltime,
        job_name="pulseq-node",
        job_extra_directives=arguments.directive,
        python=arguments.python,
        worker_extra_args=["--no-dashboard", *preload],
        protocol="tls",
        security=Security(require_encryption=True, tls_ca_file=credentials, **files),
        scheduler_options=scheduler,
        log_directory="pulseq-node-logs",
    )


def main(words: Sequence[str] | None = None) -> None:
    arguments = read_arguments(words)
    with make_cluster(arguments) as cluster:
        if arguments.print_job:
            print(cluster.job_script())
            return
        cluster.scale(jobs=arguments.jobs)
        address = cluster.scheduler_address
        print(f"pulseq run SUITE --scheduler {address} --credentials {arguments.credentials}", flush=True)
        print("Ctrl-C ends the jobs", flush=True)
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()


if __name__ == "__main__":
    main()
