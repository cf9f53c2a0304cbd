// Random streams and what the correlator that keeps every photon says of them: for the tests of streams.
#pragma once
#include <doctest/doctest.h>

#include <bit>

#include "random_series.hpp"
#include "xpcs/error.hpp"
#include "xpcs/stream_correlator.hpp"

namespace xpcs {

/// Real ones in place of the counts of events [from, to), some of them 0 or negative.
inline std::vector<double> real_values(const Events& events, std::size_t from, std::size_t to) {
  std::vector<double> out;
  for (std::size_t i = from; i < to; ++i) out.push_back(i % 97 == 0 ? 0.0 : static_cast<double>(events.count[i]) * 1.37 - (i % 5 == 0 ? 1.1 : 0.2));
  return out;
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

inline bool same(const Number& a, const Number& b) { return a.whole == b.whole && a.real == b.real; }

inline void check_same(const CorrelationResult& stream, const CorrelationResult& batch) {
  CHECK(stream.frames == batch.frames);
  CHECK(stream.events == batch.events);
  REQUIRE(stream.delays.size() == batch.delays.size());
  CHECK(same_bits(stream.g2, batch.g2));
  CHECK(same_bits(stream.g2Err, batch.g2Err));
  CHECK(same_bits(stream.g2SpreadErr, batch.g2SpreadErr));
  CHECK(same_bits(stream.moments.pairs, batch.moments.pairs));
  CHECK(same_bits(stream.moments.lagCovariance, batch.moments.lagCovariance));
  CHECK(stream.moments.exact == batch.moments.exact);
  REQUIRE(stream.moments.moment.size() == batch.moments.moment.size());
  for (std::size_t i = 0; i < batch.moments.moment.size(); ++i) {
    const Moment& a = stream.moments.moment[i];
    const Moment& b = batch.moments.moment[i];
    const bool equal = same(a.products, b.products) && same(a.past, b.past) && same(a.future, b.future) && same(a.pastFuture, b.pastFuture) &&
                       same_bits({a.a, a.b, a.c}, {b.a, b.b, b.c});
    REQUIRE(equal);
  }
  CHECK(same_bits(stream.partitionMeanTotal, batch.partitionMeanTotal));
  CHECK(same_bits(stream.partitionMeanPartial, batch.partitionMeanPartial));
  CHECK(same_bits(stream.pixelMean, batch.pixelMean));
  CHECK(same_bits(stream.frameMean, batch.frameMean));
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

/// Of a stream of so many frames of these pixels.
inline StreamOptions random_options(std::mt19937& random, std::uint32_t frames, std::uint32_t pixels) {
  StreamOptions options;
  options.dpl = 1 + below(random, 9);
  options.average = 1 + below(random, 2);
  options.threads = 1 + below(random, 3);
  options.staticWindow = below(random, 3) == 0 ? 0 : 1 + below(random, 100);
  options.framesMax = below(random, 2) == 0 ? frames : 0xFFFFFFFF;
  options.photonBytes = below(random, 5) == 0 ? 0 : 1 + below(random, 20000);
  options.pixelFactor = random_factor(random, pixels);
  return options;
}

/// Events [at, at + n), as counts or, where the stream takes them, real.
inline void push_some(StreamCorrelator& stream, const StreamOptions& options, const Events& events, std::size_t at, std::size_t n) {
  const auto frame = std::span(events.frame).subspan(at, n);
  const auto pixel = std::span(events.pixel).subspan(at, n);
  if (options.real) stream.push_real(frame, pixel, real_values(events, at, at + n));
  else stream.push(frame, pixel, std::span(events.count).subspan(at, n));
}

/// Most pixels count, up to `most` - 1.
inline std::vector<std::uint16_t> random_rows(std::mt19937& random, std::size_t n, std::uint32_t most) {
  std::vector<std::uint16_t> rows(n);
  for (auto& count : rows) count = static_cast<std::uint16_t>(below(random, 10) < 8 ? below(random, most) : 0);
  return rows;
}

/// Whole frames, some at a time; the stream keeps to its bound.
inline void push_rows(std::mt19937& random, StreamCorrelator& stream, const StreamOptions& options, std::span<const std::uint16_t> rows, bool signedCounts) {
  const std::size_t pixels = stream.partition().pixels();
  for (std::uint32_t f = 0; !rows.empty();) {
    const std::size_t n = std::min<std::size_t>(rows.size() / pixels, 1 + below(random, 40));
    stream.push_dense(f, rows.first(n * pixels), signedCounts);
    rows = rows.subspan(n * pixels);
    f += static_cast<std::uint32_t>(n);
    CHECK(stream.bytes() <= stream_bytes(stream.partition(), options));
  }
}

/// `perFrame` adds the photons of every frame; what the stream takes, every 5000 frames. It keeps to its bound, and a lower one is refused.
template <class PerFrame>
std::vector<std::uint64_t> bytes_over_time(const Partition& part, StreamOptions options, std::uint32_t frames, PerFrame perFrame) {
  StreamCorrelator stream(part, options);
  const std::uint64_t bound = stream_bytes(part, options);
  std::vector<std::uint64_t> bytes;
  Events chunk;
  for (std::uint32_t f = 0; f < frames; ++f) {
    perFrame(f, chunk);
    if (f % 5000 != 4999) continue;
    stream.push(chunk.frame, chunk.pixel, chunk.count);
    chunk = {};
    bytes.push_back(stream.bytes());
    REQUIRE(bytes.back() <= bound);
  }
  CHECK(stream.result({1, false}).framesPerMean == std::bit_ceil((frames + options.intensityRows - 1) / options.intensityRows));
  options.bytesMax = bound - 1;
  CHECK_THROWS_WITH_AS(StreamCorrelator(part, options), doctest::Contains("the limit is"), Error);
  return bytes;
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
  if (options.real) batch.push_real(frame, pixel, real_values(events, 0, n));
  else batch.push(frame, pixel, std::span(events.count).first(n));
  batch.set_frames(frames);
  return batch.result({1, perPixel});
}

}  // namespace xpcs
