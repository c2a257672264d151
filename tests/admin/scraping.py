"""Scrape and parse /metrics."""

import asyncio
import time
from collections.abc import Callable

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.serving.process import PATIENCE_SECONDS


class Scrape:
    """One response of /metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self.samples: list[Sample] = [sample for family in self.families for sample in family.samples]

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {sample.name for sample in self.samples}

    def of(self, name: str, **labels: str) -> list[Sample]:
        """The samples with that name and these labels."""
        return [sample for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples with that name and these labels."""
        return sum(sample.value for sample in self.of(name, **labels))

    def values(self, label: str) -> set[str]:
        """All values of one label."""
        return {sample.labels[label] for sample in self.samples if label in sample.labels}


async def scrape(http: aiohttp.ClientSession, url: str) -> Scrape:
    """Scrape /metrics of the internal listener at `url`."""
    async with http.get(f"{url}/metrics") as response:
        assert response.status == 200
        return Scrape(await response.text())


async def scrape_until(http: aiohttp.ClientSession, url: str, condition: Callable[[Scrape], bool]) -> Scrape:
    """Scrape until `condition` is true, and return that scrape."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition(found := await scrape(http, url)):
        assert time.monotonic() < deadline, found.text
        await asyncio.sleep(0.1)
    return found
