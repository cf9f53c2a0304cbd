// Streams of real values against the correlator that keeps all of them: the same bits, at any time, however the chunks are cut.
#include "stream_samples.hpp"

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
    StreamOptions options = random_options(random, frames, h * w);
    divide_frames(random, frames, options);
    options.real = below(random, 2) == 0 || (!options.normalizeByFrameSum && options.monitor.empty());
    StreamCorrelator stream(part, options);
    const std::uint32_t largest = 1 + below(random, 400);
    for (std::size_t at = 0; at < events.size();) {
      const std::size_t n = std::min<std::size_t>(1 + below(random, largest), events.size() - at);
      push_some(stream, options, events, at, n);
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
    const std::vector<std::uint16_t> rows = random_rows(random, std::size_t{frames} * h * w, round % 3 == 0 ? 65536 : 9);
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
    push_rows(random, stream, options, rows, signedCounts);
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
  const std::vector<std::uint64_t> bytes = bytes_over_time(part, options, 300000, [&](std::uint32_t f, Events& chunk) { chunk.add(f, below(random, 64), 1); });
  // Six times the frames: three levels more, of 4 delays and 8 blocks each for the 64 pixels.
  CHECK(bytes.back() < bytes[9] + 64ull * 3 * (4 * 16 + 8 * 16) + 2 * options.photonBytes);
}
