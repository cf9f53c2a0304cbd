// /leverage of the NeXus layout: one row per pixel that was listed, and the curves without the blemishes (docs/leverage.md).
#include <algorithm>

#include "leverage.hpp"
#include "result_file.hpp"

namespace xpcs {

void write_leverage(h5::File& file, const Outcome& outcome) {
  const Leverage& leverage = *outcome.measured.leverage;
  const std::string group = "/leverage/";
  const hsize_t n = leverage.pixels.size();
  std::vector<std::int64_t> places, q, s, delays;
  std::vector<double> counts, brightness, change, largest, pull;
  std::vector<std::uint8_t> blemish;
  for (const LeveragePixel& pixel : leverage.pixels) {
    places.push_back(pixel.pixel / outcome.partition.width);
    places.push_back(pixel.pixel % outcome.partition.width);
    q.push_back(std::int64_t{pixel.dynamicBin} + 1);
    s.push_back(std::int64_t{pixel.staticBin} + 1);
    counts.push_back(pixel.countsPerFrame);
    brightness.push_back(pixel.brightness);
    change.push_back(pixel.change);
    largest.push_back(pixel.largestChange);
    delays.push_back(static_cast<std::int64_t>(pixel.largestAt));
    pull.push_back(pixel.pull);
    blemish.push_back(pixel.blemish ? 1 : 0);
  }
  file.write(group + "pixel", {n, 2}, places);
  file.write(group + "dynamic_bin", {n}, q);
  file.write(group + "static_bin", {n}, s);
  file.write(group + "counts_per_frame", {n}, counts);
  file.write(group + "brightness", {n}, brightness);
  file.write(group + "change", {n}, change);
  file.write(group + "largest_change", {n}, largest);
  file.write(group + "largest_change_delay", {n}, delays);
  file.write(group + "pull", {n}, pull);
  file.write(group + "blemish", {n}, blemish);
  file.write(group + "lags_judged", {leverage.lagsJudged.size()}, std::vector<std::int64_t>(leverage.lagsJudged.begin(), leverage.lagsJudged.end()));
  file.write(group + "blemish_pull", {}, std::vector<double>{kBlemishPull});
  const std::vector<hsize_t> curves{outcome.result.delays.size(), outcome.partition.dynamicBins};
  file.write(group + "g2_without_blemishes", curves, floats(leverage.without.g2));
  file.write(group + "g2_err_without_blemishes", curves, floats(leverage.without.g2Err));
}

namespace {

std::string labels(const std::vector<std::uint32_t>& bins) {
  constexpr std::size_t kNamed = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(bins.size(), kNamed); ++i) text += (i > 0 ? ", " : "") + std::to_string(bins[i] + 1);
  return bins.size() > kNamed ? text + " and " + std::to_string(bins.size() - kNamed) + " more" : text;
}

}  // namespace

void tell_leverage(const Leverage& leverage, std::vector<std::string>& warnings) {
  const auto found = std::count_if(leverage.pixels.begin(), leverage.pixels.end(), [](const LeveragePixel& pixel) { return pixel.blemish; });
  if (found > 0) {
    warnings.push_back(std::to_string(found) + " pixels pull g2 far more than their neighbours; they are in it: xpcs leverage lists them, and writes a q-map without them");
  }
  if (!leverage.mixedBins.empty()) {
    warnings.push_back("static bins " + labels(leverage.mixedBins) + ": more than a tenth of the pixels differ from the others, none is named a blemish; look at the mask and the q-map there");
  }
  if (!leverage.unjudgedBins.empty()) {
    warnings.push_back("static bins " + labels(leverage.unjudgedBins) + ": too few pixels (below 8) or photon pairs (below 20 at every lag) to tell blemishes");
  }
}

}  // namespace xpcs
