// Events as columns, and crowded frames in half the memory: the same results as events that are pushed.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "xpcs/correlator.hpp"
#include "xpcs/error.hpp"

using namespace xpcs;

namespace {

Partition random_partition(std::mt19937& random, std::uint32_t h, std::uint32_t w) {
  std::vector<std::int32_t> dq(h * w), sq(h * w);
  for (std::uint32_t p = 0; p < h * w; ++p) {
    dq[p] = static_cast<std::int32_t>(p < 3 ? p + 1 : random() % 4);  // every dynamic bin exists; 0 is masked
    sq[p] = dq[p] == 0 ? 0 : dq[p] * 4 - static_cast<std::int32_t>(random() % 3);
  }
  return make_partition(h, w, dq, sq, SplitBins::error);
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

struct Events {
  std::vector<std::uint32_t> frame, pixel;
  std::vector<std::int64_t> count;
};

}  // namespace

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
        events.frame.push_back(frame);
        events.pixel.push_back(columns.pixel.back());
        events.count.push_back(signedCounts ? static_cast<std::int16_t>(count) : std::int64_t{count});
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
    CHECK(a.frames == b.frames);
    CHECK(a.events == b.events);
    CHECK(same_bits(a.g2, b.g2));
    CHECK(same_bits(a.g2Err, b.g2Err));
    CHECK(same_bits(a.g2SpreadErr, b.g2SpreadErr));
    CHECK(same_bits(a.moments.lagCovariance, b.moments.lagCovariance));
    CHECK(same_bits(a.pixelMean, b.pixelMean));
    CHECK(same_bits(a.frameMean, b.frameMean));
    CHECK(same_bits(a.partitionMeanPartial, b.partitionMeanPartial));
    CHECK(a.perPixelIF == b.perPixelIF);
    columns.pixelEnd = h * w + 1;
    CHECK_THROWS_AS(prepared.prepare(ready, columns), Error);
  }
}
