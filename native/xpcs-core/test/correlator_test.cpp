// The correlator: against the plain formulas, between its kernels, and under misuse.
#include <doctest/doctest.h>

#include "instruction_sets.hpp"
#include "lag_sums.hpp"
#include "lane_levels.hpp"
#include "pixel_kernel.hpp"
#include "series_kernel.hpp"
#include "plain_reference.hpp"
#include "random_series.hpp"
#include "xpcs/correlator.hpp"
#include "xpcs/error.hpp"

using namespace xpcs;

namespace {

Events random_events(std::mt19937& random, std::uint32_t frames, std::uint32_t pixels, std::size_t n, std::int64_t low, std::int64_t high) {
  Events events;
  for (std::size_t i = 0; i < n; ++i) {
    events.frame.push_back(static_cast<std::uint32_t>(random() % frames));
    events.pixel.push_back(static_cast<std::uint32_t>(random() % pixels));
    events.count.push_back(low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1)));
  }
  return events;
}

}  // namespace

TEST_CASE("pairing photons, walking levels and contiguous series give the same integers, on every instruction set") {
  std::mt19937 random(11);
  for (int round = 0; round < 400; ++round) {
    const std::uint64_t frames = 2 + random() % 3000;
    const auto dpl = static_cast<std::uint32_t>(1 + random() % 9);
    const Scheme scheme(frames, dpl);
    std::vector<std::uint32_t> t;
    std::vector<std::int64_t> v;
    const std::uint64_t sparseness = 1 + random() % 60;
    const std::uint64_t largest = std::uint64_t{9} << random() % 14;
    const std::int64_t lowest = random() % 2 == 0 ? 0 : 2;
    for (std::uint32_t f = 0; f < frames; ++f) {
      if (random() % sparseness != 0) continue;
      t.push_back(f);
      v.push_back(static_cast<std::int64_t>(random() % largest) - lowest);
    }
    const auto times = t;
    const auto values = v;
    std::vector<std::int64_t> byPairs(scheme.delays.size(), 0);
    std::vector<std::int64_t> byLevels(scheme.delays.size(), 0);
    add_pairs<std::int64_t, std::int64_t>(scheme, t, v, byPairs.data());
    add_levels<std::int64_t, std::int64_t>(scheme, t, v, byLevels.data());
    REQUIRE(byPairs == byLevels);
    for (const char* name : kInstructionSets) {
      const LagSums* sums = lag_sums_named(name);
      if (sums == nullptr) continue;
      SeriesKernel kernel(*sums);
      for (const std::size_t blocksPerEntry : {1UL << 40, 3UL, 40UL}) {
        auto t2 = times;
        auto v2 = values;
        std::vector<std::int64_t> mixed(scheme.delays.size(), 0);
        const auto [level, left] = add_levels<std::int64_t, std::int64_t>(scheme, t2, v2, mixed.data(), blocksPerEntry);
        if (level < scheme.levels) kernel.add<std::int64_t>(scheme, level, std::span(t2).first(left), std::span(v2).first(left), mixed.data());
        REQUIRE(byPairs == mixed);
      }
    }
  }
}

TEST_CASE("blocks side by side give the same integers as walking levels, from bytes to 64 bits, on every instruction set") {
  std::mt19937 random(17);
  constexpr std::uint32_t groups = 2;
  constexpr std::uint32_t pixels = groups * kLanes;
  for (int round = 0; round < 24; ++round) {
    const std::uint64_t frames = 2 + random() % (round % 12 == 0 ? 20000 : 2000);
    const Scheme scheme(frames, static_cast<std::uint32_t>(1 + random() % 9));
    if (scheme.levels == 0) continue;
    const std::uint32_t base = static_cast<std::uint32_t>(random() % std::min(scheme.levels, 5U));
    const std::uint32_t largest = 1 + random() % (kLaneByteMax >> base);
    const std::uint32_t sparseness = 1 + random() % 20;
    std::vector<std::vector<std::uint32_t>> t(pixels);
    std::vector<std::vector<std::int64_t>> v(pixels);
    for (std::uint32_t p = 0; p < pixels; ++p) {
      for (std::uint32_t f = 0; f < frames; ++f) {
        if (random() % sparseness != 0) continue;
        t[p].push_back(f);
        v[p].push_back(static_cast<std::int64_t>(p == 0 ? largest : 1 + random() % largest));
      }
    }
    std::vector<std::int64_t> plain(scheme.delays.size() * pixels, 0);
    for (std::uint32_t p = 0; p < pixels; ++p) {
      std::vector<std::int64_t> curve(scheme.delays.size(), 0);
      add_pairs<std::int64_t, std::int64_t>(scheme, t[p], v[p], curve.data());
      for (std::size_t d = 0; d < curve.size(); ++d) {
        if (scheme.delays[d].level >= base) plain[d * pixels + p] = curve[d];
      }
    }
    for (const char* name : kInstructionSets) {
      const LaneSums* sums = lane_sums_named(name);
      if (sums == nullptr) continue;
      LaneLevels levels(*sums);
      for (int again = 0; again < 2; ++again) {  // what an earlier tile left behind must not show
        std::vector<std::int64_t> got(plain.size(), 0);
        levels.begin(scheme, base, groups, got.data(), pixels);
        std::vector<std::size_t> next(pixels, 0);
        const auto blocks = static_cast<std::uint32_t>(frames >> base);
        for (std::uint32_t start = 0;; start += LaneLevels::kChunk) {
          const std::uint32_t n = std::min(LaneLevels::kChunk, blocks - start);
          for (std::uint32_t p = 0; p < pixels; ++p) {
            for (; next[p] < t[p].size() && (t[p][next[p]] >> base) < start + n; ++next[p]) {
              levels.chunk()[LaneLevels::offset_of_block((t[p][next[p]] >> base) - start) + levels.offset_of_pixel(p)] += static_cast<std::uint8_t>(v[p][next[p]]);
            }
          }
          if (n < LaneLevels::kChunk) {
            levels.finish(n);
            break;
          }
          levels.flush();
        }
        REQUIRE(got == plain);
      }
    }
  }
}

TEST_CASE("the correlator agrees with the plain formulas") {
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    const std::uint32_t h = 3 + random() % 5;
    const std::uint32_t w = 2 + random() % 6;
    const std::uint32_t frames = 4 + random() % 300;
    Partition part = random_partition(random, h, w);
    const Events events = random_events(random, frames, h * w, frames * (1 + random() % 64) / 4, 0, 1 << random() % 9);
    CorrelatorOptions options;
    options.dpl = 1 + random() % 6;
    options.staticWindow = 1 + random() % 50;
    Correlator correlator(part, options);
    correlator.push(events.frame, events.pixel, events.count);
    correlator.set_frames(frames);
    const auto result = correlator.result({2, true});

    std::vector<std::vector<double>> series(h * w, std::vector<double>(frames, 0.0));
    for (std::size_t i = 0; i < events.frame.size(); ++i) series[events.pixel[i]][events.frame[i]] += static_cast<double>(events.count[i]);
    const std::size_t D = result.delays.size();
    for (std::uint32_t q = 0; q < part.dynamicBins; ++q) {
      for (std::size_t d = 0; d < D; ++d) {
        double sum = 0;
        int averaged = 0;
        double x1 = 0;
        double x2 = 0;
        double n = 0;
        for (std::uint32_t s = 0; s < part.staticBins; ++s) {
          if (part.dynamicOfStatic[s] != q) continue;
          double g2 = 0;
          double past = 0;
          double future = 0;
          double members = 0;
          for (std::size_t rank = 0; rank < part.pixelOfRank.size(); ++rank) {
            if (part.staticOfRank[rank] != s) continue;
            const auto curve = plain::pixel_curve(series[part.pixelOfRank[rank]], result.delays);
            g2 += curve.g2[d];
            past += curve.past[d];
            future += curve.future[d];
            const double x = curve.g2[d] / (curve.past[d] * curve.future[d]);
            if (!std::isnan(x)) {
              x1 += x;
              x2 += x * x;
            }
            ++members;
          }
          n += members;
          const double ratio = (g2 / members) / ((past / members) * (future / members));
          if (std::isnan(ratio)) continue;
          sum += ratio;
          ++averaged;
        }
        const std::size_t at = d * part.dynamicBins + q;
        if (averaged == 0) {
          CHECK(std::isnan(result.g2[at]));
        } else {
          CHECK(result.g2[at] == doctest::Approx(sum / averaged).epsilon(1e-12));
        }
        const double variance = std::max(x2 / n - (x1 / n) * (x1 / n), 0.0);
        CHECK(result.g2SpreadErr[at] == doctest::Approx(std::sqrt(variance / n)).epsilon(1e-9));
      }
    }
  }
}

TEST_CASE("results do not depend on threads, chunks, or the order of events") {
  std::mt19937 random(3);
  const std::uint32_t h = 60;
  const std::uint32_t w = 90;  // several tiles
  const Partition part = random_partition(random, h, w);
  const Events events = random_events(random, 500, h * w, 200000, 0, 5);
  const auto run = [&](unsigned threads, std::size_t chunk, bool flat) {
    CorrelatorOptions options;
    if (flat) {
      options.normalizeByFrameSum = true;
      for (std::uint32_t p = 0; p < h * w; ++p) options.pixelFactor.push_back(0.9 + 0.001 * (p % 200));
    }
    Correlator correlator(part, options);
    for (std::size_t at = 0; at < events.frame.size(); at += chunk) {
      const std::size_t n = std::min(chunk, events.frame.size() - at);
      correlator.push(std::span(events.frame).subspan(at, n), std::span(events.pixel).subspan(at, n), std::span(events.count).subspan(at, n));
    }
    return correlator.result({threads, false});
  };
  for (const bool flat : {false, true}) {
    const auto one = run(1, 200000, flat);
    for (const auto& [threads, chunk] : {std::pair(2U, 777UL), std::pair(5U, 65536UL), std::pair(3U, 1UL << 20)}) {
      const auto other = run(threads, chunk, flat);
      CHECK(same_bits(one.g2, other.g2));
      CHECK(same_bits(one.g2SpreadErr, other.g2SpreadErr));
      CHECK(same_bits(one.moments.pairs, other.moments.pairs));
      CHECK(same_bits(one.moments.lagCovariance, other.moments.lagCovariance));
      CHECK(same_bits(one.pixelMean, other.pixelMean));
      CHECK(same_bits(one.frameMean, other.frameMean));
    }
  }
}

TEST_CASE("counts beyond 32 bits are summed exactly") {
  const Partition part = make_partition(1, 1, std::vector<std::int32_t>{1}, std::vector<std::int32_t>{1}, SplitBins::error);
  Correlator correlator(part, {});
  const std::int64_t big = 4294967295;
  const std::vector<std::uint32_t> frame{0, 1, 2, 3};
  const std::vector<std::uint32_t> pixel(4, 0);
  const std::vector<std::int64_t> count(4, big);
  correlator.push(frame, pixel, count);
  const auto result = correlator.result({1, false});
  for (const double g2 : result.g2) CHECK(g2 == doctest::Approx(1.0).epsilon(1e-15));
  CHECK(result.pixelMean[0] == 4294967295.0);
}

TEST_CASE("it can be asked on the way, and the answer is that of the frames so far") {
  std::mt19937 random(9);
  const Partition part = random_partition(random, 6, 6);
  const Events events = random_events(random, 64, 36, 3000, 1, 2);
  Correlator growing(part, {});
  for (std::uint32_t until : {16U, 33U, 64U}) {
    Correlator fresh(part, {});
    Events some;
    for (std::size_t i = 0; i < events.frame.size(); ++i) {
      if (events.frame[i] >= until) continue;
      some.frame.push_back(events.frame[i]);
      some.pixel.push_back(events.pixel[i]);
      some.count.push_back(events.count[i]);
    }
    fresh.push(some.frame, some.pixel, some.count);
    growing = Correlator(part, {});
    growing.push(events.frame, events.pixel, events.count);
    growing.set_frames(until);
    fresh.set_frames(until);
    CHECK(same_bits(growing.result({1, false}).g2, fresh.result({2, false}).g2));
  }
}

TEST_CASE("misuse is an error with its reason") {
  const Partition part = make_partition(1, 2, std::vector<std::int32_t>{1, 1}, std::vector<std::int32_t>{1, 1}, SplitBins::error);
  Correlator correlator(part, {});
  const std::vector<std::uint32_t> one{0};
  const std::vector<std::uint32_t> outside{2};
  const std::vector<std::int64_t> count{1};
  CHECK_THROWS_AS(correlator.push(one, outside, count), Error);
  CHECK_THROWS_AS(correlator.push(one, {}, count), Error);
  correlator.push(one, one, count);
  CHECK_THROWS_AS(correlator.push_real(one, one, std::vector<double>{1.0}), Error);
  CorrelatorOptions none;
  none.dpl = 0;
  CHECK_THROWS_AS(Correlator(part, none), Error);
}

TEST_CASE("a cancel is obeyed") {
  const Partition part = make_partition(1, 1, std::vector<std::int32_t>{1}, std::vector<std::int32_t>{1}, SplitBins::error);
  Correlator correlator(part, {});
  Control control;
  control.canceled = [] { return true; };
  CHECK_THROWS_AS((void)correlator.result({1, false}, control), Error);
}

TEST_CASE("whole frames give what their events give, bit for bit") {
  std::mt19937 random(17);
  for (int round = 0; round < 12; ++round) {
    const std::uint32_t h = 8;
    const std::uint32_t w = 40;  // runs of neighbouring pixels, and none
    std::vector<std::int32_t> dq(h * w);
    for (std::uint32_t p = 0; p < h * w; ++p) dq[p] = round % 2 == 0 ? 1 + static_cast<std::int32_t>(p / 90) : static_cast<std::int32_t>(1 + p % 3);
    if (round % 3 == 0) dq[5] = 0;
    const Partition part = make_partition(h, w, dq, dq, SplitBins::error);
    const std::uint32_t frames = 2 + random() % 300;
    const std::uint32_t largest = round % 4 == 0 ? 70000 : 9;
    std::vector<std::uint16_t> rows(std::size_t{frames} * h * w);
    for (auto& count : rows) count = static_cast<std::uint16_t>(random() % 5 == 0 ? random() % largest : random() % 9);
    CorrelatorOptions options;
    options.staticWindow = 1 + random() % 40;
    options.normalizeByFrameSum = round % 5 == 1;
    options.threads = 1 + static_cast<unsigned>(round % 3);
    Correlator dense(part, options);
    Correlator events(part, options);
    const std::size_t cut = std::size_t{random() % (frames + 1)} * h * w;
    dense.push_dense(std::span(rows).first(cut), true);
    dense.push_dense(std::span(rows).subspan(cut), true);
    const Events list = events_of(rows, h * w, true);
    events.push(list.frame, list.pixel, list.count);
    events.set_frames(frames);
    const auto a = dense.result({2, true});
    const auto b = events.result({1, true});
    CHECK(a.frames == b.frames);
    CHECK(same_bits(a.g2, b.g2));
    CHECK(same_bits(a.g2Err, b.g2Err));
    CHECK(same_bits(a.moments.lagCovariance, b.moments.lagCovariance));
    CHECK(same_bits(a.g2SpreadErr, b.g2SpreadErr));
    CHECK(same_bits(a.frameMean, b.frameMean));
    CHECK(same_bits(a.pixelMean, b.pixelMean));
    CHECK(same_bits(a.partitionMeanPartial, b.partitionMeanPartial));
    CHECK(a.perPixelIF == b.perPixelIF);
    const std::uint32_t shorter = frames / 2 + 1;
    dense.set_frames(shorter);
    events.set_frames(shorter);
    CHECK(same_bits(dense.result({3, false}).g2, events.result({1, false}).g2));
  }
}
