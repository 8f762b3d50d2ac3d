// What Jenkins knows of a build: its environment, credentials, log, archive and result.
//
// Written from: EnvVars.override (jenkinsci/jenkins), BourneShellScript and DurableTaskStep (durable-task and workflow-durable-task-step: `sh -xe`, SIGTERM to
// the step's processes on abort), StringBinding, FileBinding and the masking of credentials-binding, CoreEnvironmentContributor (variables of a build).
class AbortException extends Exception {
    AbortException(String message) { super(message) }
}

class Build {
    final Map parameters
    final File workspace
    final File archive
    final PrintStream console = new PrintStream(new FileOutputStream(FileDescriptor.out), true, 'UTF-8')
    final PrintStream unmasked
    String result = 'SUCCESS'
    Closure library
    private final Map credentials
    private final List<Map> environment = []
    private final Set masked = []
    private volatile Process running
    private volatile boolean aborted

    Build(Map given, File workspace, File archive) {
        this.workspace = workspace
        this.archive = archive
        credentials = given.credentials ?: [:]
        parameters = new LinkedHashMap(given.parameters ?: [:])
        environment << (given.environment + [
            WORKSPACE: workspace.path, BUILD_NUMBER: '7', BUILD_TAG: 'jenkins-erp-7', JOB_NAME: 'erp', NODE_NAME: 'agent-1',
            JENKINS_URL: 'https://jenkins.example.com/', BUILD_URL: 'https://jenkins.example.com/job/erp/7/',
        ])
        archive.mkdirs()
        unmasked = new PrintStream(new FileOutputStream(new File(archive, 'unmasked.log')), true, 'UTF-8')
    }

    void run(Closure pipeline) {
        try {
            pipeline()
        } catch (AbortException failed) {
            worse(aborted ? 'ABORTED' : 'FAILURE')
            say("ERROR: ${failed.message}")
        } catch (Throwable thrown) {
            worse('FAILURE')
            say(thrown.toString())
            thrown.printStackTrace(unmasked)
        }
        say("Finished: ${result}")
    }

    void worse(String other) {
        def order = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'ABORTED']
        if (order.indexOf(other) > order.indexOf(result)) { result = other }
    }

    /** A line of the log, which hides what `withCredentials` has brought; `unmasked.log` has all of it. */
    synchronized void say(String line) {
        unmasked.println(line)
        for (secret in masked) { line = line.replace(secret, '****') }
        console.println(line)
    }

    void keep(File file, String name) {
        def kept = new File(archive, name)
        kept.parentFile.mkdirs()
        kept.bytes = file.bytes
    }

    Map<String, String> variables() {
        def all = new LinkedHashMap()
        for (layer in environment) {
            // An empty value removes the variable.
            layer.each { name, value -> if (value) { all[name] = value.toString() } else { all.remove(name) } }
        }
        return all
    }

    def with(Map variables, Closure body) {
        environment << variables
        try { body() } finally { environment.remove(environment.size() - 1) }
    }

    def withSecrets(List<Map> bindings, Closure body) {
        def variables = [:], hidden = [], files = []
        try {
            for (binding in bindings) {
                def secret = credentials[binding.credentialsId]
                if (secret == null) { throw new AbortException("Could not find credentials entry with ID '${binding.credentialsId}'") }
                if (binding.kind == 'file') {
                    def folder = new File("${workspace.path}@tmp/secretFiles/${UUID.randomUUID()}")
                    folder.mkdirs()
                    def file = new File(folder, 'secret')
                    file.text = secret
                    'chmod 400'.tokenize().plus(file.path).execute().waitFor()
                    files << file
                    secret = file.path
                }
                variables[binding.variable] = secret
                hidden.addAll(secret.readLines().findAll { it.trim() })
            }
            masked.addAll(hidden)
            return this.with(variables, body)
        } finally {
            masked.removeAll(hidden)
            files*.delete()
        }
    }

    /** Jenkins warns when Groovy has put a secret into a text; here that is an error. */
    void refuseSecretsIn(String step, String text) {
        if (masked.any { text.contains(it) }) { throw new AbortException("A secret was passed to \"${step}\" by Groovy") }
    }

    int sh(String script) {
        refuseSecretsIn('sh', script)
        def file = File.createTempFile('script', '.sh', archive)
        file.setText(script, 'UTF-8')
        def builder = new ProcessBuilder('sh', '-xe', file.path).directory(workspace).redirectErrorStream(true)
        builder.environment().clear()
        builder.environment().putAll(variables())
        running = builder.start()
        running.outputStream.close()
        if (aborted) { interrupt(running) }
        running.inputStream.eachLine('UTF-8') { say(it) }
        def code = running.waitFor()
        running = null
        if (aborted) { throw new AbortException('the build was aborted') }
        return code
    }

    void abort() {
        aborted = true
        say('Sending interrupt signal to process')
        if (running != null) { interrupt(running) }
    }

    // Not by Process.destroy(), which also closes what the process still says.
    private static void interrupt(Process process) {
        ['kill', '-TERM', process.pid().toString()].execute().waitFor()
    }
}
