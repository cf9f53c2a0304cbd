// Random streams and what the correlator that keeps every photon says of them: for the tests of streams.
#pragma once
#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "xpcs/stream_correlator.hpp"

namespace xpcs {

struct Events {
  std::vector<std::uint32_t> frame, pixel;
  std::vector<std::int64_t> count;
  void add(std::uint32_t f, std::uint32_t p, std::int64_t c) {
    frame.push_back(f);
    pixel.push_back(p);
    count.push_back(c);
  }
  [[nodiscard]] std::size_t size() const { return frame.size(); }
  /// Real ones in place of the first n counts, some of them 0 or negative.
  [[nodiscard]] std::vector<double> values(std::size_t n) const {
    std::vector<double> out;
    for (std::size_t i = 0; i < n; ++i) out.push_back(i % 97 == 0 ? 0.0 : static_cast<double>(count[i]) * 1.37 - (i % 5 == 0 ? 1.1 : 0.2));
    return out;
  }
};

inline std::uint32_t below(std::mt19937& random, std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); }

inline Partition random_partition(std::mt19937& random, std::uint32_t h, std::uint32_t w) {
  std::vector<std::int32_t> dq(h * w), sq(h * w);
  for (std::uint32_t p = 0; p < h * w; ++p) {
    const auto q = static_cast<std::int32_t>(p < 3 ? p + 1 : below(random, 4));  // every dynamic bin exists
    dq[p] = q;
    sq[p] = q == 0 ? 0 : q * 4 - static_cast<std::int32_t>(below(random, 3));  // static labels with gaps
  }
  return make_partition(h, w, dq, sq, SplitBins::error);
}

/// Photons in frame order; within a frame in any order, some in pieces. Pixels differ by orders of magnitude; bursts and long dark times.
inline Events random_stream(std::mt19937& random, std::uint32_t pixels, std::uint32_t frames) {
  Events events;
  const std::uint32_t kind = below(random, 5);
  const std::uint32_t perFrame = 1 + below(random, kind == 4 ? 3 : 2 * pixels);
  const std::uint32_t bright = 1 + below(random, pixels);
  for (std::uint32_t f = 0; f < frames; ++f) {
    if (below(random, 200) == 0) f += below(random, 1 + frames / 4);  // dark for a while
    if (f >= frames) break;
    const std::uint32_t n = below(random, perFrame + 1);
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t p = below(random, 3) > 0 ? below(random, bright) : below(random, pixels);
      const std::int64_t c = kind == 0 ? 1 : kind == 1 ? std::int64_t{below(random, 7)} - 3 : kind == 2 ? std::int64_t{below(random, 65536)} : below(random, 4);
      events.add(f, p, c);
    }
  }
  return events;
}

inline bool same(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}
inline bool same(const Number& a, const Number& b) { return a.whole == b.whole && a.real == b.real; }

inline void check_same(const CorrelationResult& stream, const CorrelationResult& batch) {
  CHECK(stream.frames == batch.frames);
  CHECK(stream.events == batch.events);
  REQUIRE(stream.delays.size() == batch.delays.size());
  CHECK(same(stream.g2, batch.g2));
  CHECK(same(stream.g2Err, batch.g2Err));
  CHECK(same(stream.g2SpreadErr, batch.g2SpreadErr));
  CHECK(same(stream.moments.pairs, batch.moments.pairs));
  CHECK(same(stream.moments.lagCovariance, batch.moments.lagCovariance));
  CHECK(stream.moments.exact == batch.moments.exact);
  REQUIRE(stream.moments.moment.size() == batch.moments.moment.size());
  for (std::size_t i = 0; i < batch.moments.moment.size(); ++i) {
    const Moment& a = stream.moments.moment[i];
    const Moment& b = batch.moments.moment[i];
    const bool equal = same(a.products, b.products) && same(a.past, b.past) && same(a.future, b.future) && same(a.pastFuture, b.pastFuture) &&
                       same({a.a, a.b, a.c}, {b.a, b.b, b.c});
    REQUIRE(equal);
  }
  CHECK(same(stream.partitionMeanTotal, batch.partitionMeanTotal));
  CHECK(same(stream.partitionMeanPartial, batch.partitionMeanPartial));
  CHECK(same(stream.pixelMean, batch.pixelMean));
  CHECK(same(stream.frameMean, batch.frameMean));
  CHECK(stream.perPixelG2 == batch.perPixelG2);
  CHECK(stream.perPixelIP == batch.perPixelIP);
  CHECK(stream.perPixelIF == batch.perPixelIF);
}

/// Of every pixel, some of them dead; one time in two none.
inline std::vector<double> random_factor(std::mt19937& random, std::uint32_t pixels) {
  std::vector<double> factor;
  const bool some = below(random, 2) == 0;
  for (std::uint32_t p = 0; p < pixels && some; ++p) factor.push_back(below(random, 20) == 0 ? 0.0 : 0.7 + below(random, 600) / 1000.0);
  return factor;
}

/// What frames are divided by: nothing, their sum, or a monitor that is 0 now and then.
inline void divide_frames(std::mt19937& random, std::uint64_t frames, StreamOptions& options) {
  const std::uint32_t kind = below(random, 3);
  options.normalizeByFrameSum = kind == 1;
  for (std::uint64_t f = 0; f < frames && kind == 2; ++f) options.monitor.push_back(below(random, 50) == 0 ? 0.0 : 0.3 + below(random, 1000) / 700.0);
}

/// What the correlator that keeps every photon says of the first `n` events as a series of `frames` frames.
inline CorrelationResult batch_result(const Partition& part, const StreamOptions& options, const Events& events, std::size_t n, std::uint64_t frames, bool perPixel) {
  CorrelatorOptions how;
  how.dpl = options.dpl;
  how.average = options.average;
  how.staticWindow = options.staticWindow;
  how.pixelFactor = options.pixelFactor;
  how.normalizeByFrameSum = options.normalizeByFrameSum;
  how.monitor = options.monitor;
  Correlator batch(part, how);
  const auto frame = std::span(events.frame).first(n);
  const auto pixel = std::span(events.pixel).first(n);
  if (options.real) batch.push_real(frame, pixel, events.values(n));
  else batch.push(frame, pixel, std::span(events.count).first(n));
  batch.set_frames(frames);
  return batch.result({1, perPixel});
}

}  // namespace xpcs
