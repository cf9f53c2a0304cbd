// Streams of real values against the correlator that keeps all of them: the same bits, at any time, however the chunks are cut.
#include "stream_samples.hpp"
#include "xpcs/error.hpp"

using namespace xpcs;

TEST_CASE("real values and frames that are divided give the bits of the whole series, at the end and on the way, however it is cut") {
  std::mt19937 random(31);
  for (int round = 0; round < 150; ++round) {
    CAPTURE(round);
    const bool large = round % 25 == 0;  // several tiles
    const std::uint32_t h = large ? 40 : 2 + below(random, 5);
    const std::uint32_t w = large ? 45 : 2 + below(random, 5);
    const Partition part = random_partition(random, h, w);
    const std::uint32_t frames = 1 + below(random, large ? 100 : round % 10 == 0 ? 20000 : 1500);
    const Events events = random_stream(random, h * w, frames);
    StreamOptions options;
    options.dpl = 1 + below(random, 9);
    options.average = 1 + below(random, 2);
    options.threads = 1 + below(random, 3);
    options.staticWindow = below(random, 3) == 0 ? 0 : 1 + below(random, 100);
    options.framesMax = below(random, 2) == 0 ? frames : 0xFFFFFFFF;
    options.photonBytes = round % 5 == 0 ? 0 : 1 + below(random, 60000);
    options.pixelFactor = random_factor(random, h * w);
    divide_frames(random, frames, options);
    options.real = below(random, 2) == 0 || (!options.normalizeByFrameSum && options.monitor.empty());
    StreamCorrelator stream(part, options);
    const std::vector<double> values = events.values(events.size());
    const std::uint32_t largest = 1 + below(random, 400);
    for (std::size_t at = 0; at < events.size();) {
      const std::size_t n = std::min<std::size_t>(1 + below(random, largest), events.size() - at);
      const auto frame = std::span(events.frame).subspan(at, n);
      const auto pixel = std::span(events.pixel).subspan(at, n);
      if (options.real) stream.push_real(frame, pixel, std::span(values).subspan(at, n));
      else stream.push(frame, pixel, std::span(events.count).subspan(at, n));
      at += n;
      if (below(random, 40) != 0) continue;
      CHECK(stream.bytes() <= stream_bytes(part, options));
      const std::uint32_t soFar = events.frame[at - 1] + 1;
      check_same(stream.result({1 + below(random, 3), false}), batch_result(part, options, events, at, soFar, false));
    }
    if (events.size() > 0 && round % 7 == 0) {
      const std::uint32_t newest = events.frame.back();
      stream.set_frames(newest);
      check_same(stream.result({1, false}), batch_result(part, options, events, events.size(), newest, false));
      continue;
    }
    stream.set_frames(frames);
    check_same(stream.result({2, true}), batch_result(part, options, events, events.size(), frames, true));
    CHECK(stream.bytes() <= stream_bytes(part, options));
  }
}

TEST_CASE("whole frames that are divided are the same as their photons, and as those of the correlator that keeps frames") {
  std::mt19937 random(32);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    const std::uint32_t h = 3 + below(random, 30);
    const std::uint32_t w = 3 + below(random, 30);
    const Partition part = random_partition(random, h, w);
    const std::uint32_t frames = 2 + below(random, 200);
    const bool signedCounts = below(random, 2) == 0;
    std::vector<std::uint16_t> rows(std::size_t{frames} * h * w);
    for (auto& count : rows) count = static_cast<std::uint16_t>(below(random, 10) < 8 ? below(random, round % 3 == 0 ? 65536 : 9) : 0);
    StreamOptions options;
    options.staticWindow = 1 + below(random, 40);
    divide_frames(random, frames, options);
    if (options.monitor.empty()) options.normalizeByFrameSum = true;
    StreamCorrelator stream(part, options);
    CorrelatorOptions how;
    how.staticWindow = options.staticWindow;
    how.normalizeByFrameSum = options.normalizeByFrameSum;
    how.monitor = options.monitor;
    Correlator batch(part, how);
    batch.push_dense(rows, signedCounts);
    for (std::uint32_t f = 0; f < frames;) {
      const std::uint32_t n = std::min(frames - f, 1 + below(random, 40));
      stream.push_dense(f, std::span(rows).subspan(std::size_t{f} * h * w, std::size_t{n} * h * w), signedCounts);
      f += n;
    }
    check_same(stream.result({1 + below(random, 2), true}), batch.result({1, true}));
  }
}

TEST_CASE("the memory of a stream of real values does not grow with the number of frames either") {
  std::mt19937 random(33);
  const Partition part = random_partition(random, 8, 8);
  StreamOptions options;
  options.framesMax = 2000000;
  options.intensityRows = 1024;
  options.photonBytes = 20000;
  options.normalizeByFrameSum = true;
  StreamCorrelator stream(part, options);
  const std::uint64_t bound = stream_bytes(part, options);
  std::vector<std::uint64_t> bytes;
  Events chunk;
  for (std::uint32_t f = 0; f < 300000; ++f) {
    chunk.add(f, below(random, 64), 1);
    if (f % 5000 != 4999) continue;
    stream.push(chunk.frame, chunk.pixel, chunk.count);
    chunk = {};
    bytes.push_back(stream.bytes());
    REQUIRE(bytes.back() <= bound);
  }
  // Six times the frames: three levels more, of 4 delays and 8 blocks each for the 64 pixels.
  CHECK(bytes.back() < bytes[9] + 64ull * 3 * (4 * 16 + 8 * 16) + 2 * options.photonBytes);
  options.bytesMax = bound - 1;
  CHECK_THROWS_WITH_AS(StreamCorrelator(part, options), doctest::Contains("the limit is"), Error);
}
