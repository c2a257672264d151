"""Reading /metrics as Prometheus does."""

import asyncio
import time
from collections.abc import Callable

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.serving.process import PATIENCE_SECONDS


class Scrape:
    """One answer of /metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self.samples: list[Sample] = [sample for family in self.families for sample in family.samples]

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {sample.name for sample in self.samples}

    def of(self, name: str, **labels: str) -> list[Sample]:
        """The samples of that name that have these labels."""
        return [sample for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()]

    def total(self, name: str, **labels: str) -> float:
        """The sum of those samples."""
        return sum(sample.value for sample in self.of(name, **labels))

    def values(self, label: str) -> set[str]:
        """All that one label says anywhere."""
        return {sample.labels[label] for sample in self.samples if label in sample.labels}


async def scrape(http: aiohttp.ClientSession, url: str) -> Scrape:
    """What /metrics of the internal listener at `url` says now."""
    async with http.get(f"{url}/metrics") as response:
        assert response.status == 200
        return Scrape(await response.text())


async def scrape_until(http: aiohttp.ClientSession, url: str, condition: Callable[[Scrape], bool]) -> Scrape:
    """The first scrape of which `condition` is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition(found := await scrape(http, url)):
        assert time.monotonic() < deadline, found.text
        await asyncio.sleep(0.1)
    return found
