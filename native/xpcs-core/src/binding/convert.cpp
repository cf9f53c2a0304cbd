// JavaScript objects to the library's structures and back. The types were checked in TypeScript; what is wrong here is
// a TypeError.
#include <array>

#include "binding.hpp"

namespace xpcs::binding {
namespace {

std::optional<std::string> text(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (value.IsUndefined() || value.IsNull()) return std::nullopt;
  if (!value.IsString()) throw Napi::TypeError::New(from.Env(), std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

template <class T>
std::optional<T> number(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (value.IsUndefined() || value.IsNull()) return std::nullopt;
  const double raw = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(raw >= 0) || raw > 4294967295.0) throw Napi::TypeError::New(from.Env(), std::string(name) + " must be a number from 0 to 2^32 - 1");
  return static_cast<T>(raw);
}

/// Bin numbers: an array of numbers.
std::optional<std::vector<std::uint32_t>> numbers(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (value.IsUndefined() || value.IsNull()) return std::nullopt;
  if (!value.IsArray()) throw Napi::TypeError::New(from.Env(), std::string(name) + " must be an array of numbers");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    const double raw = item.IsNumber() ? item.As<Napi::Number>().DoubleValue() : -1;
    if (!(raw >= 0) || raw > 4294967295.0) throw Napi::TypeError::New(from.Env(), std::string(name) + " must hold numbers from 0 to 2^32 - 1");
    out.push_back(static_cast<std::uint32_t>(raw));
  }
  return out;
}

std::map<std::string, std::string> text_map(const Napi::Object& from) {
  std::map<std::string, std::string> out;
  const Napi::Array names = from.GetPropertyNames();
  for (std::uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString().Utf8Value();
    out[name] = from.Get(name).ToString().Utf8Value();
  }
  return out;
}

bool flag(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

/// The value of a closed set of words.
template <class T, std::size_t N>
std::optional<T> word(const Napi::Object& from, const char* name, const std::array<std::pair<const char*, T>, N>& words) {
  const auto given = text(from, name);
  if (!given) return std::nullopt;
  for (const auto& [spelling, value] : words) {
    if (*given == spelling) return value;
  }
  throw Napi::TypeError::New(from.Env(), std::string(name) + " cannot be " + *given);
}

constexpr std::array kTypes{std::pair("multitau", AnalysisType::multitau), std::pair("twotime", AnalysisType::twotime), std::pair("both", AnalysisType::both)};
constexpr std::array kLayouts{std::pair("nexus", Layout::nexus), std::pair("exchange", Layout::exchange)};
constexpr std::array kFormats{std::pair("imm", Format::imm), std::pair("rigaku", Format::rigaku), std::pair("ufxc", Format::ufxc), std::pair("hdf5", Format::hdf5), std::pair("stream", Format::stream)};
constexpr std::array kOrders{std::pair("row-major", PixelOrder::row_major), std::pair("column-major", PixelOrder::column_major)};
constexpr std::array kSmoothings{std::pair("none", Smoothing::none), std::pair("symmetric", Smoothing::symmetric), std::pair("staticmap", Smoothing::static_map),
                                 std::pair("sqmap", Smoothing::sqmap), std::pair("dqmap", Smoothing::dqmap)};
constexpr std::array kFilters{std::pair("none", SmoothingFilter::none), std::pair("average", SmoothingFilter::average)};
constexpr std::array kC2Forms{std::pair("full", C2Form::full), std::pair("multitau", C2Form::multitau), std::pair("both", C2Form::both)};
constexpr std::array kCompressions{std::pair("none", Compression::none), std::pair("gzip", Compression::gzip)};
constexpr std::array kNormalize{std::pair("framesum", true), std::pair("none", false)};
constexpr std::array kErrors{std::pair("influence", Errors::influence), std::pair("xpcs-eigen", Errors::xpcs_eigen), std::pair("boost-corr", Errors::boost_corr)};
constexpr std::array kAveragings{std::pair("plain", Averaging::plain), std::pair("weighted", Averaging::weighted), std::pair("robust", Averaging::robust)};
constexpr std::array kPoolings{std::pair("per-repeat", Pooling::per_repeat), std::pair("pooled", Pooling::pooled)};
constexpr std::array kCompat{std::pair("xpcs-eigen", Compat::xpcs_eigen), std::pair("boost-corr", Compat::boost_corr)};

}  // namespace

Napi::Error js_error(Napi::Env env, Code code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code_name(code));
  return error;
}

std::optional<Averaging> to_averaging(const Napi::Object& from) { return word(from, "averaging", kAveragings); }

std::optional<Format> to_format(const Napi::Object& from) { return word(from, "format", kFormats); }

MergeRequest to_merge_request(const Napi::Object& from) {
  MergeRequest request;
  const Napi::Array inputs = from.Get("inputs").As<Napi::Array>();
  for (std::uint32_t i = 0; i < inputs.Length(); ++i) request.inputs.push_back(inputs.Get(i).ToString().Utf8Value());
  request.out = text(from, "out").value_or("");
  request.overwrite = flag(from, "overwrite");
  request.pooling = word(from, "pooling", kPoolings).value_or(Pooling::per_repeat);
  request.averaging = to_averaging(from);
  request.provenance = text_map(from.Get("provenance").As<Napi::Object>());
  if (!from.Get("repeats").IsObject()) return request;
  const Napi::Object repeats = from.Get("repeats").As<Napi::Object>();
  request.rows = number<std::uint32_t>(repeats, "rows").value_or(0);
  const Napi::Object columns = repeats.Get("numbers").As<Napi::Object>();
  for (const auto& [name, unused] : text_map(columns)) {
    const Napi::Float64Array values = columns.Get(name).As<Napi::Float64Array>();
    request.numbers[name].assign(values.Data(), values.Data() + values.ElementLength());
  }
  const Napi::Object texts = repeats.Get("texts").As<Napi::Object>();
  for (const auto& [name, unused] : text_map(texts)) {
    const Napi::Array values = texts.Get(name).As<Napi::Array>();
    for (std::uint32_t i = 0; i < values.Length(); ++i) request.texts[name].push_back(values.Get(i).ToString().Utf8Value());
  }
  return request;
}

Request to_request(const Napi::Object& from) {
  const Napi::Object files = from.Get("files").As<Napi::Object>();
  const Napi::Object options = from.Get("options").As<Napi::Object>();
  Request request;
  request.input = text(files, "input");
  request.qmap = text(files, "qmap");
  request.job = text(files, "job");
  request.metadata = text(files, "metadata");
  request.type = word(options, "type", kTypes);
  request.begin = number<std::uint64_t>(options, "begin");
  request.end = number<std::uint64_t>(options, "end");
  request.endAtMost = flag(from, "endAtMost");
  request.stride = number<std::uint32_t>(options, "stride");
  request.average = number<std::uint32_t>(options, "average");
  request.dpl = number<std::uint32_t>(options, "dpl");
  request.threads = number<std::uint32_t>(options, "threads");
  request.g2out = flag(options, "g2out");
  request.leverage = flag(options, "leverage");
  request.layout = word(options, "layout", kLayouts);
  request.exchange = text(options, "exchange");
  request.entry = text(options, "entry");
  request.compat = word(options, "compat", kCompat).value_or(Compat::none);
  request.errors = word(options, "errors", kErrors);
  request.averaging = to_averaging(options);
  request.partials = number<std::uint32_t>(options, "partials");
  request.format = word(options, "format", kFormats);
  request.unsignedCounts = flag(options, "unsigned");
  request.pixelOrder = word(options, "pixelOrder", kOrders);
  request.firstFrame = number<std::uint64_t>(options, "firstFrame");
  request.frameTimeS = number<double>(options, "frameTimeS");
  request.startTime = text(from, "startTime");
  request.qBins = numbers(options, "qBins");
  request.smoothing = word(options, "smoothing", kSmoothings);
  request.smoothingFilter = word(options, "smoothingFilter", kFilters);
  request.window = number<std::uint32_t>(options, "window");
  request.c2 = word(options, "c2", kC2Forms);
  request.compression = word(options, "compression", kCompressions);
  request.memoryGb = number<double>(options, "memoryGb");
  request.streaming = flag(options, "streaming");
  request.badFrames = text(options, "badFrames");
  request.monitor = text(files, "monitor");
  request.normalizeByFrameSum = word(options, "normalize", kNormalize);
  request.firstFrames = number<std::uint32_t>(from, "firstFrames").value_or(0);
  request.out = text(from, "out").value_or("");
  request.overwrite = flag(from, "overwrite");
  request.provenance = text_map(from.Get("provenance").As<Napi::Object>());
  return request;
}

std::vector<FurtherMap> to_further_maps(const Napi::Value& maps) {
  std::vector<FurtherMap> further;
  const Napi::Array array = maps.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Object map = array.Get(i).As<Napi::Object>();
    further.push_back({text(map, "qmap").value_or(""), text(map, "out").value_or(""), text_map(map.Get("provenance").As<Napi::Object>())});
  }
  return further;
}

Napi::Object to_object(Napi::Env env, const Summary& summary) {
  Napi::Object out = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { out.Set(name, value); };
  out.Set("out", summary.out);
  out.Set("format", format_name(summary.settings.format));
  out.Set("layout", summary.settings.layout == Layout::nexus ? "nexus" : "exchange");
  for (const auto& [name, type] : kTypes) {
    if (type == summary.settings.type) out.Set("type", name);
  }
  set("framesRead", static_cast<double>(summary.framesRead));
  set("frames", static_cast<double>(summary.frames));
  set("events", static_cast<double>(summary.events));
  set("pixels", static_cast<double>(summary.pixels));
  set("dynamicBins", summary.dynamicBins);
  set("staticBins", summary.staticBins);
  set("delays", static_cast<double>(summary.delays));
  set("valuesWithoutError", static_cast<double>(summary.valuesWithoutError));
  set("twoTimeBins", static_cast<double>(summary.twoTimeBins));
  set("twoTimeMemoryBytes", static_cast<double>(summary.twoTimeBytes));
  set("streamMemoryBytes", static_cast<double>(summary.streamBytes));
  set("threads", summary.settings.threads);
  out.Set("kernelPath", kernel_path());
  Napi::Array warnings = Napi::Array::New(env);
  for (std::uint32_t i = 0; i < summary.settings.warnings.size(); ++i) warnings.Set(i, summary.settings.warnings[i]);
  out.Set("warnings", warnings);
  Napi::Object timings = Napi::Object::New(env);
  timings.Set("readS", summary.readS);
  timings.Set("correlateS", summary.correlateS);
  timings.Set("writeS", summary.writeS);
  timings.Set("totalS", summary.totalS);
  out.Set("timings", timings);
  set("outBytes", static_cast<double>(summary.outBytes));
  return out;
}

}  // namespace xpcs::binding
