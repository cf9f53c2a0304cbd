// Several q-maps in one pass: what the intake gives to each. Whole results are compared in test/xpcs/several-maps.test.ts.
#include <doctest/doctest.h>

#include "formats/event_words.hpp"
#include "intake.hpp"

using namespace xpcs;

namespace {

/// Three frames of four pixels, once: a second pass would find nothing. Pixel 3 gives no reading in frame 1.
class OnceReader final : public FrameReader {
 public:
  bool fetch(std::unique_ptr<StoredFrames>& stored) override {
    FrameBatch& batch = DecodedEvents::of(stored);
    if (done_) return false;
    batch.frame = {0, 0, 1, 2};
    batch.pixel = {0, 2, 1, 2};
    batch.count = {5, 1, 2, 3};
    batch.markedFrame = {1};
    batch.markedPixel = {3};
    done_ = true;
    return true;
  }
  [[nodiscard]] std::uint64_t frames() const override { return 3; }
  [[nodiscard]] double position() const override { return 1; }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return false; }
  [[nodiscard]] std::vector<std::string> warnings() const override { return {"of the reader"}; }

 private:
  bool done_ = false;
};

Settings settings_of(std::vector<std::int32_t> map) {
  Settings settings;
  settings.reader.height = settings.reader.width = 2;
  settings.dqmap = map;
  settings.sqmap = std::move(map);
  return settings;
}

}  // namespace

TEST_CASE("one pass over the file feeds every map; markers, warnings and windows are each map's own") {
  std::vector<Settings> maps{settings_of({1, 1, 1, 1}), settings_of({1, 1, 1, 0}), settings_of({1, 2, 2, 1})};
  maps[2].staticWindow = 2;
  std::vector<std::unique_ptr<Correlator>> correlators;
  std::vector<std::unique_ptr<CorrelatorSink>> owned;
  std::vector<FrameSink*> sinks;
  for (const Settings& map : maps) {
    correlators.push_back(std::make_unique<Correlator>(make_partition(2, 2, map.dqmap, map.sqmap, SplitBins::error), CorrelatorOptions{}));
    owned.push_back(std::make_unique<CorrelatorSink>(*correlators.back()));
    sinks.push_back(owned.back().get());
  }
  OnceReader reader;
  const std::vector<Measured> measured = read_series(reader, maps, sinks, {});
  REQUIRE(measured.size() == 3);
  CHECK(measured[0].markedReadings == 1);
  CHECK(measured[1].markedReadings == 0);
  CHECK(measured[2].markedReadings == 1);
  CHECK(maps[0].warnings.size() == 2);
  CHECK(maps[1].warnings == std::vector<std::string>{"of the reader"});
  CHECK(maps[0].staticWindow == 1);
  CHECK(maps[2].staticWindow == 2);
  for (const auto& correlator : correlators) CHECK(correlator->result({1, false}).events == 4);
  CHECK(correlators[2]->result({1, false}).partitionMeanTotal == std::vector<double>{5.0 / 6, 1.0});
}
