// The stream against the correlator that keeps every photon: the same bits, at any time, however the chunks are cut; and its
// memory.
#include <array>

#include "stream_samples.hpp"
#include "xpcs/error.hpp"

using namespace xpcs;

TEST_CASE("a stream gives the bits of the whole series, at the end and on the way, however it is cut") {
  std::mt19937 random(21);
  for (int round = 0; round < 150; ++round) {
    CAPTURE(round);
    const std::uint32_t h = 2 + below(random, 5);
    const std::uint32_t w = 2 + below(random, 5);
    const Partition part = random_partition(random, h, w);
    const std::uint32_t frames = 1 + below(random, round % 10 == 0 ? 20000 : 1500);
    const Events events = random_stream(random, h * w, frames);
    const StreamOptions options = random_options(random, frames, h * w);
    StreamCorrelator stream(part, options);
    const std::uint32_t largest = 1 + below(random, 400);
    for (std::size_t at = 0; at < events.size();) {
      const std::size_t n = std::min<std::size_t>(1 + below(random, largest), events.size() - at);
      push_some(stream, options, events, at, n);
      at += n;
      if (below(random, 40) != 0) continue;
      const std::uint32_t soFar = events.frame[at - 1] + 1;
      check_same(stream.result({1 + below(random, 3), false}), batch_result(part, options, events, at, soFar, false));
    }
    stream.set_frames(frames);
    check_same(stream.result({2, true}), batch_result(part, options, events, events.size(), frames, true));
    CHECK(stream.bytes() <= stream_bytes(part, options));
  }
}

TEST_CASE("whole frames are the same as their photons, and as those of the correlator that keeps frames") {
  std::mt19937 random(26);
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    const std::uint32_t h = 3 + below(random, 40);
    const std::uint32_t w = 3 + below(random, 40);
    const Partition part = random_partition(random, h, w);
    const std::uint32_t frames = 2 + below(random, 300);
    const bool signedCounts = below(random, 2) == 0;
    const std::vector<std::uint16_t> rows = random_rows(random, std::size_t{frames} * h * w, round % 3 == 0 ? 65536 : 9);
    StreamOptions options;
    options.dpl = 1 + below(random, 5);
    options.threads = 1 + below(random, 2);
    options.staticWindow = 1 + below(random, 40);
    StreamCorrelator stream(part, options);
    CorrelatorOptions how;
    how.dpl = options.dpl;
    how.staticWindow = options.staticWindow;
    Correlator batch(part, how);
    const Events events = events_of(rows, h * w, signedCounts);
    batch.push_dense(rows, signedCounts);
    push_rows(random, stream, options, rows, signedCounts);
    check_same(stream.result({1 + below(random, 2), true}), batch.result({1, true}));
    check_same(stream.result({1, true}), batch_result(part, options, events, events.size(), frames, true));
  }
}

TEST_CASE("the newest frame can be left out, and empty frames can follow") {
  std::mt19937 random(22);
  for (int round = 0; round < 40; ++round) {
    const Partition part = random_partition(random, 4, 5);
    const Events events = random_stream(random, 20, 2 + below(random, 3000));
    if (events.size() == 0) continue;
    StreamOptions options;
    options.staticWindow = 50;
    StreamCorrelator stream(part, options);
    stream.push(events.frame, events.pixel, events.count);
    const std::uint32_t newest = events.frame.back();
    stream.set_frames(newest);
    check_same(stream.result({1, false}), batch_result(part, options, events, events.size(), newest, false));
    stream.set_frames(newest + 777);
    const std::size_t before = static_cast<std::size_t>(std::lower_bound(events.frame.begin(), events.frame.end(), newest) - events.frame.begin());
    CorrelationResult batch = batch_result(part, options, events, before, newest + 777, false);
    batch.events = stream.result({1, false}).events;  // those of the frame that was left out are counted
    check_same(stream.result({1, false}), batch);
    if (newest > 0) CHECK_THROWS_AS(stream.set_frames(newest - 1), Error);
  }
}

TEST_CASE("pixels that come to count more than 31 bits hold go on exactly") {
  std::mt19937 random(23);
  const Partition part = random_partition(random, 3, 3);
  Events events;
  for (std::uint32_t f = 0; f < 4000; ++f) {
    for (std::uint32_t p = 0; p < 9; ++p) events.add(f, p, p == 0 ? 4294967295 - std::int64_t{below(random, 100)} : p % 2 == 0 ? 10000000 + below(random, 9) : below(random, 5));
  }
  for (const bool flat : {false, true}) {
    StreamOptions options;
    options.staticWindow = 333;
    if (flat) options.pixelFactor = {0.9, 1.1, 0.7, 1.3, 0, 1, 1.01, 0.99, 1.07};
    StreamCorrelator stream(part, options);
    for (std::size_t at = 0; at < events.size(); at += 900) {
      push_some(stream, options, events, at, 900);
      if (at % 2700 == 0) check_same(stream.result({1, false}), batch_result(part, options, events, at + 900, events.frame[at + 899] + 1, false));
    }
    check_same(stream.result({1, true}), batch_result(part, options, events, events.size(), 4000, true));
  }
}

TEST_CASE("a detector of several tiles, on several threads") {
  std::mt19937 random(24);
  const std::uint32_t h = 70;
  const std::uint32_t w = 90;
  const Partition part = random_partition(random, h, w);
  Events events;
  for (std::uint32_t f = 0; f < 3000; ++f) {
    for (int i = 0; i < 150; ++i) events.add(f, below(random, 2) == 0 ? below(random, h * w) : below(random, 300), 1 + below(random, 2));
  }
  StreamOptions options;
  options.threads = 3;
  options.staticWindow = 300;
  StreamCorrelator stream(part, options);
  for (std::size_t at = 0; at < events.size(); at += 30001) {
    const std::size_t n = std::min<std::size_t>(30001, events.size() - at);
    push_some(stream, options, events, at, n);
  }
  check_same(stream.result({3, false}), batch_result(part, options, events, events.size(), 3000, false));
}

TEST_CASE("parts of any size, few photons a frame, rates that change, bursts, and counts that become huge or negative") {
  std::mt19937 random(27);
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    const Partition part = random_partition(random, 25, 20 + below(random, 12));
    const std::uint32_t pixels = part.pixels();
    StreamOptions options;
    options.dpl = round % 3 == 0 ? 4 : 1 + below(random, 9);
    options.threads = round % 3 == 0 ? 1 : round % 3 == 1 ? 2 : 5;
    options.staticWindow = below(random, 2) == 0 ? 0 : 1 + below(random, 3000);
    options.intensityRows = std::uint64_t{1} << 24;
    options.pixelFactor = random_factor(random, pixels);
    options.photonBytes = std::array{6000U, 30000U, 90000U}[below(random, 3)];
    StreamCorrelator stream(part, options);
    Events events;
    std::uint32_t f = below(random, 100);
    std::size_t pushed = 0;
    for (int phase = 0; phase < 6; ++phase) {
      // Photons a frame: of many, of one, of one in a hundred frames.
      const double rate = std::array{40.0, 3.0, 0.3, 0.02}[below(random, 4)];
      const std::uint32_t photons = 500 + below(random, 25000);
      const std::uint32_t bright = below(random, 3) == 0 ? 1 + below(random, 30) : pixels;
      for (std::uint32_t i = 0; i < photons; ++i) {
        if (rate >= 1 ? below(random, static_cast<std::uint32_t>(rate)) == 0 : true) f += rate >= 1 ? 1 : below(random, static_cast<std::uint32_t>(2 / rate));
        const std::uint32_t p = below(random, 2) == 0 ? below(random, bright) : below(random, pixels);
        std::int64_t count = 1 + (below(random, 10) == 0 ? below(random, 4) : 0);
        if (phase >= 3 && round % 4 == 1 && below(random, 2000) == 0) count = -5;
        if (phase >= 3 && round % 4 == 2 && below(random, 500) == 0) count = 100000 + below(random, 9);
        if (phase >= 3 && round % 4 == 3 && below(random, 2000) == 0) count = 2000000000;
        events.add(f, p, count);
        if (below(random, 3000) == 0) {
          for (std::uint32_t k = 0; k < 40; ++k) events.add(++f, p, 1 + below(random, 5));
        }
      }
      while (pushed < events.size()) {
        const std::size_t n = std::min<std::size_t>(1 + below(random, 9000), events.size() - pushed);
        push_some(stream, options, events, pushed, n);
        pushed += n;
        if (below(random, 25) == 0) check_same(stream.result({1 + below(random, 3), false}), batch_result(part, options, events, pushed, events.frame[pushed - 1] + 1, false));
      }
      CHECK(stream.bytes() <= stream_bytes(part, options));
    }
    const std::uint32_t frames = f + 1 + below(random, 5000);
    stream.set_frames(frames);
    check_same(stream.result({2, true}), batch_result(part, options, events, events.size(), frames, true));
  }
}

TEST_CASE("memory does not grow with the number of frames, and stays within the stated bound") {
  std::mt19937 random(25);
  const Partition part = random_partition(random, 8, 8);
  StreamOptions options;
  options.framesMax = 2000000;
  options.intensityRows = 1024;
  options.photonBytes = 20000;
  const std::vector<std::uint64_t> bytes = bytes_over_time(part, options, 600000, [&](std::uint32_t f, Events& chunk) {
    chunk.add(f, below(random, 64), 1);
    if (f % 10 == 0) chunk.add(f, below(random, 8), 1);
  });
  // Seven times the frames: three levels more, of 4 delays and 12 blocks each for the 512 pixels of a tile, and nothing else.
  CHECK(bytes.back() < bytes[15] + 512ull * 3 * (4 * 12 + 12 * 4) + options.photonBytes + 2 * 8 * options.intensityRows);
}

TEST_CASE("a long stream's intensity is that of frames taken together") {
  const Partition part = make_partition(1, 2, std::vector<std::int32_t>{1, 1}, std::vector<std::int32_t>{1, 1}, SplitBins::error);
  StreamOptions options;
  options.intensityRows = 4;
  StreamCorrelator stream(part, options);
  Events events;
  for (std::uint32_t f = 0; f < 11; ++f) events.add(f, f % 2, f);
  stream.push(events.frame, events.pixel, events.count);
  const CorrelationResult result = stream.result({1, false});
  CHECK(result.framesPerMean == 4);
  CHECK(result.frameMean == std::vector<double>{6 / 2.0 / 4, 22 / 2.0 / 4, 27 / 2.0 / 3});
}

TEST_CASE("a stream refuses what it cannot take, and goes on") {
  const Partition part = make_partition(1, 2, std::vector<std::int32_t>{1, 1}, std::vector<std::int32_t>{1, 1}, SplitBins::error);
  StreamOptions options;
  options.framesMax = 100;
  StreamCorrelator stream(part, options);
  const auto push = [&](std::vector<std::uint32_t> frame, std::vector<std::uint32_t> pixel) {
    stream.push(frame, pixel, std::vector<std::int64_t>(frame.size(), 1));
  };
  push({0, 5}, {0, 1});
  CHECK_THROWS_WITH_AS(push({6, 4}, {0, 0}), doctest::Contains("frame 4 comes after frame 6"), Error);
  CHECK_THROWS_WITH_AS(push({4}, {0}), doctest::Contains("frame order"), Error);
  CHECK_THROWS_AS(push({6}, {2}), Error);
  CHECK_THROWS_AS(push({6}, {0, 1}), Error);
  CHECK_THROWS_WITH_AS(push({100}, {0}), doctest::Contains("beyond the 100 frames"), Error);
  CHECK(stream.result({1, false}).events == 2);
  push({5}, {1});
  CHECK(stream.result({1, false}).pixelMean[1] == 2.0 / 6);
  Control control;
  control.canceled = [] { return true; };
  CHECK_THROWS_AS((void)stream.result({1, false}, control), Error);
  options.dpl = 0;
  CHECK_THROWS_AS(StreamCorrelator(part, options), Error);
}

TEST_CASE("an empty stream has an empty result") {
  const Partition part = make_partition(1, 2, std::vector<std::int32_t>{1, 1}, std::vector<std::int32_t>{1, 1}, SplitBins::error);
  StreamCorrelator stream(part, {});
  const CorrelationResult result = stream.result({1, false});
  CHECK(result.frames == 0);
  CHECK(result.delays.empty());
}
