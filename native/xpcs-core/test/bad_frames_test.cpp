// Bad frames and monitors: lists, means over good frames only, weights. Reads frames from a fake reader in memory.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "bad_frames.hpp"
#include "formats/event_words.hpp"
#include "intake.hpp"
#include "monitor.hpp"

using namespace xpcs;

namespace {

constexpr std::uint32_t kPixels = 12;

/// Frames in memory: counts [frames, kPixels].
class FakeReader final : public FrameReader {
 public:
  explicit FakeReader(std::vector<std::vector<std::int64_t>> frames) : frames_(std::move(frames)) {}
  bool fetch(std::unique_ptr<StoredFrames>& stored) override {
    FrameBatch& batch = DecodedEvents::of(stored);
    if (done_) return false;
    for (std::uint32_t f = 0; f < frames_.size(); ++f) {
      for (std::uint32_t p = 0; p < kPixels; ++p) {
        batch.frame.push_back(f);
        batch.pixel.push_back(p);
        batch.count.push_back(frames_[f][p]);
      }
    }
    done_ = true;
    return true;
  }
  [[nodiscard]] std::uint64_t frames() const override { return frames_.size(); }
  [[nodiscard]] double position() const override { return 1; }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return false; }

 private:
  std::vector<std::vector<std::int64_t>> frames_;
  bool done_ = false;
};

struct Run {
  CorrelationResult result;
  Measured measured;
};

Run run(const std::vector<std::vector<std::int64_t>>& frames, const std::string& bad, std::vector<double> monitor = {}, std::uint32_t average = 1) {
  const std::vector<std::int32_t> map(kPixels, 1);
  Settings settings;
  settings.reader.height = 3;
  settings.reader.width = 4;
  settings.dqmap = settings.sqmap = map;
  settings.badFrames = bad;
  settings.monitor = std::move(monitor);
  settings.average = average;
  settings.staticWindow = 10;
  CorrelatorOptions options;
  options.average = average;
  Correlator correlator(make_partition(3, 4, map, map, SplitBins::error), options);
  CorrelatorSink sink(correlator);
  FrameSink* const sinks[] = {&sink};
  FakeReader reader(frames);
  Measured measured = read_series(reader, {&settings, 1}, sinks, {}).front();
  correlator.set_static_window(10);
  if (!measured.monitor.empty()) correlator.set_monitor(measured.monitor);
  CorrelationResult result = correlator.result({1, true});
  if (!measured.bad.empty()) correct_for_bad_frames(measured.bad, 10, result);
  return {std::move(result), std::move(measured)};
}

}  // namespace

TEST_CASE("frame lists: single frames, ranges, any order, overlaps; anything else is refused") {
  const FrameList list = FrameList::parse("12,3-5,5-7,1");
  CHECK(list.first() == 1);
  const auto listed = [](std::uint64_t frame) { return frame == 1 || (frame >= 3 && frame <= 7) || frame == 12; };
  for (const auto& [first, stride, average] : {std::array<std::uint64_t, 3>{0, 1, 1}, {2, 1, 1}, {0, 2, 1}, {1, 3, 1}, {0, 1, 4}, {1, 2, 2}, {6, 3, 2}, {12, 1, 1}}) {
    const FrameRanges bad = list.of_series({first, stride, average});
    for (std::uint64_t i = 0; i < 15; ++i) {
      bool expected = false;
      for (std::uint64_t k = 0; k < average; ++k) expected = expected || listed(first + (i * average + k) * stride + 1);
      CHECK(contains_frame(bad, i) == expected);
    }
    for (std::size_t i = 1; i < bad.size(); ++i) CHECK(bad[i - 1].second < bad[i].first);
  }
  CHECK(frames_within({{2, 5}, {7, 9}}, 4, 8) == FrameRanges{{0, 1}, {3, 4}});
  CHECK(FrameList::parse("").empty());
  for (const char* wrong : {"0", "a", "5-3", "1,,2", "1-", "-1", "1;2", "99999999999999999999"}) CHECK_THROWS_AS(FrameList::parse(wrong), Error);
}

TEST_CASE("constant frames give g2 = 1, true means and IP = IF = the count, whatever frames are bad") {
  const std::vector<std::vector<std::int64_t>> frames(100, std::vector<std::int64_t>(kPixels, 3));
  for (const std::string bad : {"1", "7,20-28", "50-100", "2,4,6,8,10,12"}) {
    CAPTURE(bad);
    const auto [result, measured] = run(frames, bad);
    for (std::size_t d = 0; d < result.delays.size(); ++d) {
      if (std::isnan(result.g2[d])) {  // no pair of good frames at this delay
        CHECK(bad == "50-100");
        CHECK(result.delays[d].frames > 40);
        continue;
      }
      CHECK(result.g2[d] == doctest::Approx(1.0));
      CHECK(result.perPixelG2[d * kPixels] == doctest::Approx(9.0));
      CHECK(result.perPixelIP[d * kPixels] == doctest::Approx(3.0));
      CHECK(result.perPixelIF[d * kPixels] == doctest::Approx(3.0));
    }
    CHECK(result.partitionMeanTotal[0] == doctest::Approx(3.0));
    CHECK(result.pixelMean[5] == doctest::Approx(3.0));
    for (std::size_t w = 0; w < result.partitionMeanPartial.size(); ++w) {
      if (bad == "50-100" && w >= 5) {
        CHECK(std::isnan(result.partitionMeanPartial[w]));
      } else {
        CHECK(result.partitionMeanPartial[w] == doctest::Approx(3.0));
      }
    }
  }
  CHECK_THROWS_AS(run(frames, "1-100"), Error);
}

TEST_CASE("what a bad frame holds does not matter; one bad frame spoils the frame of the series that it is averaged into") {
  std::mt19937 random(8);
  std::vector<std::vector<std::int64_t>> frames(60, std::vector<std::int64_t>(kPixels));
  for (auto& frame : frames) {
    for (auto& count : frame) count = 1 + random() % 4;
  }
  const CorrelationResult clean = run(frames, "11").result;
  frames[10].assign(kPixels, 100000);
  CHECK(run(frames, "11").result.g2 == clean.g2);
  const auto averaged = run(frames, "11", {}, 4);
  CHECK(averaged.measured.bad == FrameRanges{{2, 3}});
  CHECK(averaged.result.frameMean[2] == 0);
}

TEST_CASE("a monitor takes the beam's changes out of g2") {
  std::vector<std::vector<std::int64_t>> frames;
  std::vector<double> monitor;
  for (int f = 0; f < 80; ++f) {
    frames.emplace_back(kPixels, f % 3 + 1);
    monitor.push_back(0.5 * (f % 3 + 1));
  }
  const CorrelationResult plain = run(frames, "").result;
  CHECK(std::abs(plain.g2[2] - 1.0) > 0.1);  // delay 3: the beam's period
  const CorrelationResult normalized = run(frames, "", monitor).result;
  for (const double g2 : normalized.g2) CHECK(g2 == doctest::Approx(1.0));
  CHECK(normalized.partitionMeanTotal == plain.partitionMeanTotal);
  CHECK_THROWS_AS(run(frames, "", std::vector<double>(79, 1.0)), Error);
  monitor[4] = 0;
  CHECK_THROWS_AS(run(frames, "", monitor), Error);
  for (const double g2 : run(frames, "5", monitor).result.g2) CHECK(g2 == doctest::Approx(1.0));
}

TEST_CASE("monitor files: numbers, comments, and the line of a mistake") {
  const std::string path = (std::filesystem::temp_directory_path() / "xpcs-core-test-monitor.txt").string();
  std::ofstream(path) << "# frame counts\n1.5 2e3\n\n3 # last\r\n";
  CHECK(read_monitor(path) == std::vector<double>{1.5, 2000, 3});
  std::ofstream(path) << "1\n2\nthree\n";
  std::string message;
  try {
    read_monitor(path);
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(message.find("line 3") != std::string::npos);
  std::remove(path.c_str());
  CHECK_THROWS_AS(read_monitor(path), Error);
}
