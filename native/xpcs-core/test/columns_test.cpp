// Events as columns, and crowded frames in half the memory: the same results as events that are pushed.
#include <doctest/doctest.h>

#include <memory>

#include "stream_samples.hpp"

using namespace xpcs;

TEST_CASE("columns give what their events give, bit for bit, crowded frames or not") {
  std::mt19937 random(21);
  const std::uint32_t h = 40;
  const std::uint32_t w = 90;  // several tiles
  for (int round = 0; round < 24; ++round) {
    const Partition part = random_partition(random, h, w);
    const bool signedCounts = round % 2 == 0;
    Events events;
    EventColumns columns;
    columns.pixelEnd = h * w;
    columns.signedCounts = signedCounts;
    std::uint32_t frame = 0;
    for (int run = 0; run < 60; ++run) {
      const std::uint32_t steps[] = {0, 1, 1, 1, 3, 511, 512, 70000};
      frame += steps[random() % (round % 3 == 0 ? 8 : 5)];
      // None, few, as many as may be either, and crowded ones.
      const std::uint32_t sizes[] = {0, 3, 40, 2000};
      const auto n = static_cast<std::uint32_t>(random() % (1 + sizes[random() % 4]));
      columns.runs.push_back({frame, static_cast<std::uint32_t>(columns.pixel.size()), n});
      for (std::uint32_t i = 0; i < n; ++i) {
        const std::uint16_t kinds[] = {0, 126, 127, 128, 300, 0x7FFF};
        const auto count = static_cast<std::uint16_t>(random() % 9 == 0 ? kinds[random() % 6] : random() % 40 == 0 && round % 4 < 2 ? 0xFFFF : 1 + random() % 5);
        columns.pixel.push_back(static_cast<std::uint32_t>(random() % (h * w)));
        columns.count.push_back(count);
        events.add(frame, columns.pixel.back(), signedCounts ? static_cast<std::int16_t>(count) : std::int64_t{count});
      }
    }
    CorrelatorOptions options;
    options.staticWindow = 7;
    if (round % 5 == 0) options.pixelFactor.assign(h * w, 0.3);
    Correlator pushed(part, options);
    Correlator prepared(part, options);
    pushed.push(events.frame, events.pixel, events.count);
    std::shared_ptr<PreparedEvents> ready;
    prepared.prepare(ready, columns);
    prepared.take(*ready);
    const auto a = pushed.result({1, true});
    const auto b = prepared.result({2, true});
    check_same(b, a);
    // A stream takes its runs in two parts, of which the second begins where the first one ends.
    StreamOptions ofStream;
    ofStream.staticWindow = options.staticWindow;
    ofStream.pixelFactor = options.pixelFactor;
    ofStream.intensityRows = std::uint64_t{1} << 24;
    StreamCorrelator stream(part, ofStream);
    const std::vector<EventColumns::Run> runs = columns.runs;
    const auto middle = runs.begin() + static_cast<std::ptrdiff_t>(random() % runs.size());
    for (const auto& [from, to] : {std::pair(runs.begin(), middle), std::pair(middle, runs.end())}) {
      columns.runs.assign(from, to);
      stream.prepare(ready, columns);
      stream.close(*ready);
      stream.take(*ready);
    }
    check_same(stream.result({1, true}), a);
    columns.pixelEnd = h * w + 1;
    CHECK_THROWS_AS(prepared.prepare(ready, columns), Error);
  }
}
