// One plugin of Esteira as one line of a pipeline:
//
//     esteira 'rpo', bucket: 's3://artifacts', release: '12.1.2410', secrets: [access_key: 'bucket-key', secret_key: 'bucket-secret']
//
// Every name is a setting of the plugin, but for these:
//   secrets       settings that are secret, each with the id of a credential of the kind "Secret text"
//   secret_files  the same with "Secret file": the plugin gets its path (kubeconfig, gcs_key)
//   image         the whole name of the image, where it is not that of Esteira: plugin-rpo needs one with your AppServer in it
//
// From the environment: ESTEIRA_REGISTRY and ESTEIRA_VERSION, of which the image's name is made; ESTEIRA_DOCKER_OPTIONS, more options of
// `docker run`. The image has no shell, so that `docker.image().inside` cannot be used: it is run once, with the workspace at its own path.
// An abort reaches the plugin as SIGTERM, which `docker run` hands on: it finishes or undoes the step in hand and ends with 75.
// The agent needs a `docker` whose daemon sees the agent's files, and Jenkins the plugins Credentials Binding, JUnit and HTML Publisher.
import groovy.json.JsonOutput

def call(String plugin, Map options) {
    call(options, plugin)
}

def call(Map options, String plugin) {
    def name = (options.output_as ?: plugin).toString()
    def settings = [report_dir: reportFolder(name)] + settingsOf(options)
    def image = options.image ?: "${env.ESTEIRA_REGISTRY ?: 'registry.example.com/esteira'}/plugin-${plugin}:${env.ESTEIRA_VERSION ?: '0.1.0'}"
    def secrets = bindingsOf(options.secrets, 'text') + bindingsOf(options.secret_files, 'file')
    def variables = ["ESTEIRA_IMAGE=${image}"] + assignments(settings)
    def command = dockerRun(settings, options.secrets, options.secret_files)
    int code = 0
    // Before that, only an earlier build's report could be there.
    def begun = false
    try {
        withCredentials(secrets) {
            withEnv(variables) {
                begun = true
                code = sh(label: "plugin-${plugin}", returnStatus: true, script: command)
            }
        }
    } finally {
        if (begun) {
            // A failed run is told by the exit code, not by an unstable build.
            junit testResults: "${settings.report_dir}/junit.xml", allowEmptyResults: true, skipMarkingBuildUnstable: true
            publishHTML target: [reportDir: settings.report_dir, reportFiles: 'report.html', reportName: "Esteira ${name}",
                                 keepAll: true, alwaysLinkToLastBuild: true, allowMissing: true]
        }
    }
    if (code != 0) {
        error "plugin-${plugin} ended with ${code}: ${meaningOf(code)}"
    }
}

// A folder for each step: two that shared one would replace each other's report.
private String reportFolder(String name) {
    def stage = env.STAGE_NAME ?: name
    def step = stage == name ? name : "${stage}-${name}"
    return 'esteira-reports/' + step.replaceAll('[^A-Za-z0-9._-]', '-')
}

private Map settingsOf(Map options) {
    def settings = [:]
    for (setting in options.keySet()) {
        if (setting in ['image', 'secrets', 'secret_files'] || options[setting] == null || options[setting].toString() == '') {
            continue
        }
        variableOf(setting)
        if (setting in secretSettings()) {
            error "`${setting}` is a secret: write secrets: [${setting}: 'the id of a credential']"
        }
        settings[setting] = textOf(options[setting])
    }
    return settings
}

private List secretSettings() {
    return ['access_key', 'ci_token', 'gcs_key', 'git_token', 'kubeconfig', 'notify_url', 'secret_key', 'session_token', 'token', 'uptimerobot_key']
}

private String textOf(value) {
    if (value instanceof Map) {
        return JsonOutput.toJson(value)
    }
    // `params.NAMES.split(',')` is an array.
    if (value instanceof Collection || value instanceof Object[]) {
        // Jenkins' sandbox allows toJson of maps only.
        def json = JsonOutput.toJson([list: value as List])
        return json.substring('{"list":'.length(), json.length() - 1)
    }
    return value.toString()
}

private String variableOf(setting) {
    if (!setting.toString().matches('[a-z][a-z0-9_]*')) {
        error "`${setting}` is no name of a setting"
    }
    return 'PLUGIN_' + setting.toString().toUpperCase()
}

private List assignments(Map settings) {
    def list = []
    for (setting in settings.keySet()) {
        list << variableOf(setting) + '=' + settings[setting]
    }
    return list
}

private List bindingsOf(Map credentials, String kind) {
    def list = []
    for (setting in (credentials ?: [:]).keySet()) {
        def binding = [credentialsId: credentials[setting], variable: variableOf(setting)]
        list << (kind == 'file' ? file(binding) : string(binding))
    }
    return list
}

// Names only: `sh` writes the command into the log, and the machine's list of processes shows it to everybody.
private String dockerRun(Map settings, Map secrets, Map secretFiles) {
    def words = ['exec docker run --rm', '--user "$(id -u):$(id -g)"', '--volume "$WORKSPACE:$WORKSPACE"', '--workdir "$PWD"']
    for (setting in settings.keySet() + (secrets ?: [:]).keySet() + (secretFiles ?: [:]).keySet()) {
        words << '--env ' + variableOf(setting)
    }
    for (setting in (secretFiles ?: [:]).keySet()) {
        def variable = variableOf(setting)
        words << "--volume \"\$${variable}:\$${variable}:ro\""
    }
    // Who this run is and which build it links to; RELEASE is the one build parameter that plugins read; the way out.
    for (variable in ['BUILD_TAG', 'BUILD_URL', 'JENKINS_URL', 'NODE_NAME', 'STAGE_NAME', 'RELEASE',
                      'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']) {
        words << "--env ${variable}"
    }
    // Where docker cannot start the plugin, nobody removes the report of an earlier build.
    return 'rm -f -- "$PLUGIN_REPORT_DIR"/report.* "$PLUGIN_REPORT_DIR"/junit.xml\n' +
        words.join(' \\\n  ') + ' \\\n  $ESTEIRA_DOCKER_OPTIONS "$ESTEIRA_IMAGE"\n'
}

private String meaningOf(int code) {
    def meanings = [
        1: 'it tried and failed, or refused; the log and the report say what and why',
        2: 'its settings cannot be used, nothing was touched; the log names all problems',
        3: 'some targets failed, the others are done; the report names them',
        75: 'temporary (something out of reach, or told to stop); run the build again',
        125: '`docker run` itself failed; see its message in the log',
        137: 'it was killed (out of memory, or SIGKILL); run the build again',
    ]
    return meanings[code] ?: 'see the log'
}
